"""The words of ember's world: subjects to tell of, and what a story is furnished with. Tables only."""

# What a story can be about, by how a sentence must treat it.
PLACES = """lighthouse harbour mill castle garden forest island bridge library bakery mountain valley river lake cave tower
village market school museum theatre station farm orchard windmill well meadow desert city attic cellar greenhouse inn church
beach cliff canal street tunnel park fountain palace temple barn stable workshop shop kitchen hotel lagoon pond waterfall
swamp marsh hill glacier volcano observatory post-office railway courtyard balcony square chapel abbey monastery dock pier
shipyard ferry-house toll-house boathouse treehouse cottage cabin hut tent camp jungle canyon reef bay fjord spring vineyard
field hedge maze labyrinth ruin wall gate door staircase corridor room hall tavern cafe restaurant cinema circus fair
playground hospital laboratory factory mine quarry kingdom planet moonbase space-station aquarium zoo bookshop
toyshop laundry bathhouse crossroads graveyard hillside seashore ocean""".split()

THINGS = """lamp clock key boat ship kite violin map book lantern umbrella teapot bicycle telescope mirror coin drum robot letter
hat candle compass bell anchor piano flute trumpet guitar harp train tram bus car rocket balloon airship raft canoe sled wagon
cart wheel ladder broom bucket basket box chest cupboard chair table bed blanket pillow quilt coat scarf glove shoe boot sock
button needle thread spoon fork knife plate cup mug bottle jar kettle pot pan oven stove radio telephone camera typewriter pencil
pen brush painting statue doll puppet marble top ring crown necklace sword shield helmet banner flag tree oak willow apple pear
plum pumpkin carrot potato onion loaf cake pie biscuit cheese egg seed acorn leaf flower rose tulip daisy sunflower mushroom
stone pebble shell pearl feather nest cloud star comet rainbow snowflake icicle puddle wave machine computer engine
hammer saw nail rope net sail oar whistle carpet curtain window chimney roof lightbulb battery sandwich pancake
notebook diary calendar stamp suitcase backpack wallet watch hourglass thermometer magnet spring-clock music-box sewing-machine
wheelbarrow scarecrow snowman gingerbread-man paper-boat rocking-horse teacup lampshade tractor submarine helicopter""".split()

CREATURES = """fox owl cat dog dragon mouse bear wolf heron rabbit hare hedgehog badger otter beaver squirrel mole deer stag horse
pony donkey cow calf goat sheep lamb pig hen rooster duck goose swan crow raven robin sparrow wren swallow gull pelican puffin
penguin seal whale dolphin shark octopus crab lobster turtle tortoise frog toad newt lizard snake crocodile elephant lion tiger
leopard giraffe zebra hippo rhino monkey gorilla kangaroo koala camel llama yak bat bee wasp butterfly moth beetle ladybird ant
spider snail worm firefly cricket grasshopper dragonfly unicorn phoenix griffin troll giant dwarf elf fairy goblin ghost
mermaid kitten puppy piglet duckling gosling chick cub foal eagle falcon hawk peacock parrot flamingo stork
trout salmon herring eel jellyfish starfish seahorse walrus reindeer moose lynx panther jaguar panda sloth
armadillo anteater ostrich emu vulture magpie jackdaw nightingale canary pigeon dove hamster ferret weasel
stoat raccoon skunk possum wombat platypus chameleon iguana gecko salamander""".split()

PEOPLE = """keeper baker sailor captain princess prince king queen witch wizard knight astronaut gardener farmer fisherman painter
musician teacher doctor nurse carpenter blacksmith tailor shoemaker clockmaker miller shepherd postman librarian inventor scientist
pirate thief detective explorer hunter cook dancer singer poet writer soldier guard servant merchant beggar child girl boy
grandmother grandfather mother father sister brother aunt uncle twin stranger traveller pilot driver conductor juggler
clown magician hermit monk nun judge mayor weaver potter beekeeper woodcutter chimney-sweep ferryman goatherd mapmaker
engineer builder plumber programmer student neighbour friend hero heroine mountaineer diver firefighter""".split()

GENDER = dict.fromkeys("princess queen witch nun girl grandmother mother sister aunt heroine mermaid hen cow mare".split(), "she")
GENDER |= dict.fromkeys("prince king wizard monk boy grandfather father brother uncle fisherman postman ferryman hero rooster stag".split(), "he")

# Said with "the" and without a plural; `NATURE` acts of itself, `STUFF` is found and made.
NATURE = """moon sun sea rain snow wind storm fog thunder lightning night morning winter spring summer autumn evening dawn dusk
midnight sky sunset sunrise north-wind tide frost ice rainfall darkness silence""".split()
STUFF = """music bread honey gold silver water sand salt sugar milk butter soup tea coffee chocolate paper glass wool wood fire smoke
light love hope friendship courage time luck magic laughter sleep homework kindness patience wisdom peace freedom""".split()

ADJECTIVES = """old little red lost silver quiet broken brave blue golden tiny huge lonely hungry sleepy clever shy proud green white
black grey yellow wooden stone glass paper iron copper wild gentle strange secret hidden forgotten magic flying singing dancing
talking invisible young ancient curious lazy kind angry sad happy cold warm dusty rusty shiny crooked round tall small big quick
friendly frightened empty noisy clumsy careful striped spotted purple orange frozen burning
floating sleeping giant enormous wise polite grumpy snowy rainy windy haunted abandoned famous unlucky lucky
cheerful nervous stubborn generous honest peculiar mysterious ordinary brown pink""".split()

# After the subject in the first mention only: "the fox with a silver tail".
TAILS = """at the end of the road|on the hill|by the sea|in the forest|under the bridge|at the edge of the world|behind the school
in the snow|in the moonlight|of the north|from the mountains|across the river|in my grandmother's house|on the rooftop
with a secret|with a golden key|with one blue eye|that could sing|that never slept|that was afraid of the dark|who loved stories
without a name|made of glass|from another world|in the middle of the lake|next to the bakery|of the island|on the moon
that lost its way|that wanted to fly|who could not sleep|with a red door|at the bottom of the sea""".replace("\n", "|").split("|")

FEMALE = """Anna Mara Ida Elsa Nora Clara Lucy Rosa Mina Ada Greta Hanna Ines Julia Lena Maya Nina Olga Petra Ruth Sara Tilda Vera
Wanda Zoe Alice Beth Daisy Emma Flora Grace Heidi Iris Jane Kate Lily Molly Nell Olive Penny Rita Sophie Tess Una Ivy Hazel""".split()
MALE = """Tom Ben Jonas Karl Leo Max Otto Paul Rolf Sam Theo Udo Victor Will Adam Bruno Carl David Emil Finn Georg Hugo Ivan Jakob
Kai Luis Marco Nils Oscar Peter Robin Simon Tim Arthur Basil Colin Dan Edgar Frank Gus Henry Jack Noah Oliver Ralph Walter""".split()

TRADES = """baker sailor gardener farmer fisher painter teacher doctor carpenter tailor clockmaker miller postman librarian
keeper cook weaver potter beekeeper shepherd""".split()
# Who looks after a place, where that is known.
KEEPERS = {
    "lighthouse": "keeper", "bakery": "baker", "mill": "miller", "windmill": "miller", "library": "librarian", "harbour": "fisher",
    "pier": "fisher", "farm": "farmer", "orchard": "farmer", "garden": "gardener", "greenhouse": "gardener", "park": "gardener",
    "school": "teacher", "hospital": "doctor", "workshop": "carpenter", "shipyard": "carpenter", "meadow": "shepherd",
    "post office": "postman", "kitchen": "cook", "inn": "cook", "restaurant": "cook", "vineyard": "farmer", "boathouse": "sailor",
}  # fmt: skip
# (definite name, first mention): who comes by.
VISITORS = [
    ("the sailor", "a young sailor"),
    ("the traveller", "a tired traveller"),
    ("the child", "a small child"),
    ("the old man", "an old man"),
    ("the old woman", "an old woman"),
    ("the stranger", "a stranger in a long coat"),
    ("the shepherd", "a shepherd without sheep"),
    ("the musician", "a musician with a broken violin"),
    ("the postman", "a postman with one last letter"),
    ("the soldier", "a soldier on the way home"),
]
FRIENDS = "owl mouse crow fox cat dog hare heron frog robin goat turtle squirrel hedgehog swallow gull badger bee".split()
OBJECTS = """brass key|old map|silver bell|red lantern|wooden box|folded letter|glass marble|tin whistle|blue button|small book
broken clock|golden feather|round mirror|long rope|paper star|copper coin|white shell|little drum""".replace("\n", "|").split("|")
FOODS = "bread|soup|apples|honey cake|warm milk|cheese|berries|pancakes|plum pie|porridge|tea and toast|roasted chestnuts".split("|")
LANDS = "village|harbour|valley|town|forest|city".split("|")

# name -> (how it begins, how it is called, how it ends)
WEATHER = {
    "fog": (["a thick fog came [in from the sea|down from the hills]", "fog lay over the {land}"], "the fog", "the fog lifted"),
    "rain": (["rain began to fall on the {land}", "it rained and rained"], "the rain", "the rain stopped"),
    "snow": (["snow was falling on the {land}", "deep snow lay on the {land}"], "the snow", "the snow stopped and the sky turned blue"),
    "storm": (["a storm came over the {land}", "the wind grew and [broke the branches|shook the windows]"], "the storm", "the storm passed"),
    "frost": (["it was so cold that [the windows|the puddles|the wells] froze"], "the cold", "the sun came out and warmed the {land}"),
    "dark": (["there was no star in the sky", "it grew dark as in a cave"], "the darkness", "the sun rose over the {land}"),
}

# What invented words are made of: sounds that are easily said, and the letters of English in any order.
SYLLABLES = """bra bri bro da de di do fa fe fi fo ga gi glo gra ha he ho jo ka ki kra la le li lo lu ma me mi mo na ne ni no pa pe pi po
ra re ri ro ru sa se shi sko sla so sta ta te ti to tra va ve vi vo wa we wi yo za ze zi zo quo thri spo plu""".split()
CODAS = "n r l s m t k ck nd ng rd st lt x sh th b g p bble ddle nkle mp rn".split() + [""] * 8
ONSETS = """b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p ph pl pr qu r s sc sch sh sk sl sm sn sp spl spr squ st str sw t th
tr tw v w wh wr x y z""".split() + [""]
NUCLEI = "a e i o u a e i o u ai au ea ee ei eu ia ie io oa oo ou ow ua ue y".split()
CLOSES = """b ck ct d ff ft g lk ll lm lt m mm mp n nch nd ng nn nt p pp pt r rch rd rk rm rn rr rt s ss st t tch tt th x z zz""".split() + [""] * 14
SUFFIXES = "er or ist ian eria ing ess ette let ion ine age ship ment ness able ade ard oid us um".split() + [""] * 26
