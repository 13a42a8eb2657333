"""Ember's plots. A plot is a list of sentences, a sentence a list of ways to say it.

`[a|b]` chooses; `{key}` is filled in by generator.py from the story's cast, which stays the same from the first sentence to the
last: {s} the subject with its article, {a} its first mention, {it} {obj} {its} {was} its pronouns and verb; {c} a person's name
({ci} at first mention, {he} {him} {his}); {v} a visitor ({vi} at first mention); {f} an animal ({fi} at first mention);
{o} an object ({oi} at first mention); {food}; {land}; {wopen} {w} {wend} the weather and how it ends.
"""

# The subject stays where it is, and people come to it.
PLACE = [
    [
        ["{a} stood [at the edge of|above|not far from|in the middle of] the {land}, and {ci} looked after {obj}.",
         "There was once {a} near the {land}. {ci} [lived there alone|took care of {obj}|came there every day]."],
        ["One [night|evening] {wopen}.", "One evening {wopen}, and {c} could hardly see {his} own hands."],
        ["{c} heard [a voice|someone calling|a cry] in {w}.", "Then {c} heard [a knock|footsteps|somebody singing] outside."],
        ["{he} took [a lantern|a lamp|a candle] and found {vi}, [cold and lost|wet and tired|shaking with cold].",
         "{he} opened the door, and there stood {vi}, [wet and tired|cold and hungry]."],
        ["They sat together in {s} and ate {food} until {wend}.", "{c} brought out {food}, and they talked until {wend}."],
        ["In the morning {v} went home, but every year {v} came back to {s} to say thank you.",
         "{v} never forgot {s}, and {c} was never lonely again.",
         "Since then a light has always burned at {s}, so that nobody gets lost."],
    ],
    [
        ["Nobody had been to {s} for [years|a long time], because people said {it} {was} haunted.",
         "Everyone in the {land} was afraid of {s}. At night strange sounds came from {obj}."],
        ["Only {ci} did not believe it.", "But {ci} was [more curious than afraid|not afraid of anything]."],
        ["One night {wopen}, and {he} went there alone with {oi}.", "So one night {he} took {oi} and went to look."],
        ["Something moved in the dark. {c} held {his} breath.", "There it was again: a long, sad sound. {c} [stood still|held {his} breath]."],
        ["It was only {fi}, [caught in an old net|too small to find the way out|looking for something to eat].",
         "In the corner sat {fi}, and it was [just as frightened as {c}|crying because it was alone]."],
        ["{c} laughed and [shared {his} {food}|gave it some {food}].", "{c} sat down beside it and gave it some {food}."],
        ["From that night on, {c} and {f} met at {s} every week, and nobody was afraid any more.",
         "Now the children of the {land} play at {s}, and {f} watches over them."],
    ],
    [
        ["{s} {was} very old, and [nobody came any more|the paint was falling off|grass grew everywhere].",
         "Once {s} had been full of people, but now {it} {was} quiet and empty."],
        ["{ci} remembered how [beautiful|bright|lively] {it} had been, and that made {him} sad.",
         "One spring {ci} came back to the {land} and saw {obj} again."],
        ["So {he} began to [sweep the floor|pull out the weeds|paint the walls], a little every day.",
         "Every morning {he} brought {his} tools and worked until dark."],
        ["At first people laughed. Then {vi} came by and [picked up a brush|began to help|asked for a broom].",
         "After a week {vi} stopped and asked, \"May I help you?\""],
        ["Soon [half the {land} was working|the whole {land} helped], and somebody brought {food} for everyone.",
         "Others followed, and they brought wood, paint and {food}."],
        ["On the first day of summer {s} opened again, and there was music until midnight.",
         "When it was done, {s} shone in the sun, and {c} smiled and said, \"Somebody only had to begin.\""],
    ],
    [
        ["When {c} was small, {his} grandmother told {him} about {s}.", "{ci} had heard of {s} [in an old song|from {his} grandfather|all {his} life]."],
        ["\"Something is hidden there,\" [she|they] said, \"but only a patient heart can find it.\"",
         "They said that something precious was hidden there."],
        ["One [autumn|spring|winter] day {c} went to look. {wopen}, but {he} [did not turn back|kept walking].",
         "{he} packed some {food} and walked for three days, although {wopen}."],
        ["{he} searched {s} from [top to bottom|one end to the other], and under a loose stone {he} found {oi}.",
         "Near {s} {he} saw something shine. It was {oi}, [wrapped in cloth|covered in dust]."],
        ["Beside {o} lay a note: \"For the one who comes after me.\"", "On {o} somebody had scratched a name. It was the name of {his} grandmother."],
        ["{c} [held {o} close|sat down and cried a little|smiled for a long time], and then {wend}.",
         "{c} understood: the precious thing was the way itself."],
        ["{he} left {his} own note at {s} and went home happy.", "Before {he} left, {he} hid something at {s} for the next one who would come."],
    ],
    [
        ["The people of the {land} were proud of {s}. {it} {was} the [finest|oldest|brightest] in the country.",
         "{a} watched over the {land}, and everybody loved {obj}."],
        ["Then {wopen}, and it did not stop for [three days|a whole week].", "But one year {wopen}, worse than ever before."],
        ["The people ran to {s} with their children and their animals.", "\"Come to {s}!\" called {ci}. \"There is room for all of us!\""],
        ["They sat close together, shared {food} and sang [old songs|to keep warm].",
         "{vi} told stories, and {fi} slept in the middle of the floor."],
        ["At last {wend}. The houses had to be mended, but nobody was hurt.", "On the last morning {wend}, and everyone was safe."],
        ["Each year on that day they bring flowers to {s} and remember.", "Ever since, the door of {s} is never locked."],
    ],
]

# The subject can be held, found, given away.
THING = [
    [
        ["{ci} found {a} [under the stairs|on the beach|in the attic|behind the bakery]. {it} {was} [old and dusty|broken|covered in mud].",
         "{a} lay forgotten [in a shop window|in a corner of the market|at the side of the road], until {ci} came by."],
        ["\"Nobody wants {obj} any more,\" said {vi}.", "Everyone said that {it} {was} good for nothing."],
        ["But {c} took {obj} home and [cleaned|mended|polished] {obj} all night.", "{c} carried {obj} home and worked on {obj} for many evenings."],
        ["When {he} was done, {s} [began to shine|looked like new|made the softest sound].", "On the seventh day {s} [shone like gold|began to hum quietly]."],
        ["That winter {wopen}, and {s} [gave the whole house light|kept {him} company|made everyone smile].",
         "Then {wopen}, and {vi} lost the way. {c} put {s} in the window, and the lost one found the door."],
        ["Many people wanted to buy {s}, but {c} always shook {his} head. Some things are not for sale.",
         "{c} kept {s} for the rest of {his} life and told everyone: \"Nothing is useless if you take care of it.\""],
    ],
    [
        ["{a} once belonged to {ci}, and {he} took {obj} everywhere.", "{ci} loved {s} more than anything else {he} had."],
        ["One day {wopen}, and on the way home {s} {was} gone.", "But one morning {s} {was} gone, and {c} cried all day."],
        ["{he} looked [in the {land}|by the river|in every street], and {he} asked everyone {he} met.", "{c} asked the baker, the postman and even {fi}."],
        ["At last {fi} [pulled at {his} sleeve|called from a wall] and led {him} to the river.",
         "\"Follow me,\" said {f}, for it had seen something [by the bridge|under the old tree]."],
        ["There sat {vi} with {s}. \"I was so alone,\" said {v}, \"and {it} made me happy.\"",
         "There was {s}, and beside {obj} sat {vi}, who had kept {obj} dry."],
        ["{c} thought for a while. \"Then {it} shall be ours,\" {he} said, and they shared some {food}.",
         "{c} was not angry. They shared {s} from then on, one day each."],
        ["So {c} lost {s} for a day and found a friend for life.", "Since that day {c} has had two treasures, and one of them is a friend."],
    ],
    [
        ["In a [small|quiet|crowded] shop in the {land} there was {a} that could [grant one wish|tell the truth|remember everything].",
         "{ci} got {a} from {his} grandfather. \"It is magic,\" he said, \"but it works only once.\""],
        ["{c} thought about it for a long time. Should {he} wish for [gold|a castle|a ship]?", "Every night {c} looked at {s} and wondered what to wish for."],
        ["Then {wopen}, and {vi} came to the door, too weak to walk.", "One evening {wopen}, and {fi} lay outside, ill and cold."],
        ["{c} did not think any longer. {he} took {s} and whispered, \"Please help.\"", "\"Help,\" whispered {c} and held {s} tight."],
        ["There was a warm light, and all at once everything was well.", "{s} grew warm in {his} hands, and at that moment {wend}."],
        ["The magic was gone, but {c} was not sorry.", "After that {s} {was} as plain as any other, and {c} loved {obj} even more."],
        ["\"That was the best wish of all,\" {he} said, and made some {food} for everyone.", "A wish, {he} had learned, is best when you give it away."],
    ],
    [
        ["{a} [stood|lay|waited] [on a shelf|by a window|in a corner] in the house of {ci}, and {it} dreamed of the sea.",
         "Nobody knew that {s} could think. All day {it} watched the {land} and dreamed of far places."],
        ["\"How can I ever go anywhere?\" {it} sighed. \"I have no legs and no wings.\"", "\"I want to see the world,\" {it} told {fi} one night."],
        ["{f} [thought hard|scratched its head] and said, \"Wait for the wind.\"", "\"Be patient,\" said {f}. \"Your day will come.\""],
        ["A week later {wopen}, and {s} {was} carried away over the {land}.", "One day {c} packed {his} bags and took {s} along on a long journey."],
        ["{it} saw mountains, ships and cities with a thousand lights.", "{it} saw deserts and islands, and at last the great blue sea."],
        ["It was wonderful, but at night {it} thought of the warm room at home.", "It was more beautiful than any dream, and yet something was missing."],
        ["When {s} came home again, {f} was waiting. \"Tell me everything,\" it said, and {it} did.",
         "Back at home {it} told {f} every story, and that was the best part of the journey."],
    ],
]

# The subject acts: an animal, a person, a name, the moon.
BEING = [
    [
        ["{a} lived [at the edge of|not far from|high above] the {land}, and {it} had no friends.", "Once there was {a} who lived all alone near the {land}."],
        ["Every evening {it} [looked at the stars|listened to the wind|sang a little song] and wished for someone to talk to.",
         "{it} wanted a friend, but {it} {was} too shy to ask."],
        ["One night {wopen}, and {s} heard a small voice outside.", "Then one evening {wopen}, and somebody knocked."],
        ["It was {fi}, cold and hungry. \"May I come in?\" it asked.", "There stood {fi} with {oi}. \"I have lost my way,\" it said."],
        ["{s} made room by the fire and brought {food}.", "\"Of course,\" said {s}, and they ate {food} together."],
        ["They talked until {wend}, and neither of them wanted to say goodbye.", "When {wend}, {f} did not want to leave."],
        ["So {f} stayed, and {s} {was} never alone again.", "From that day on they were best friends, and the house was full of laughter."],
    ],
    [
        ["{a} wanted to see the sea, but it was far away.", "All {its} life {s} had dreamed of the sea."],
        ["One morning {it} packed {oi} and some {food} and set out.", "So one day {it} took {oi} and started to walk."],
        ["On the first day {wopen}. {s} hid under a tree and waited.", "{it} had not gone far when {wopen}, but {it} did not turn back."],
        ["On the second day {it} met {fi}. \"I know the way,\" it said. \"Come with me.\"", "By a bridge sat {fi}. \"The sea?\" it said. \"I have always wanted to go there too.\""],
        ["They [followed the river|walked through the hills|crossed the {land}] and shared what they had.", "They went on together, and {f} told stories all the way."],
        ["On the third day they heard a sound like thunder, and there it was: the sea, wide and blue.", "At last they came over a hill, and below them lay the sea."],
        ["{s} stood still for a long time. \"It is bigger than my dream,\" {it} said.", "They ran into the waves and laughed, and {s} knew that the journey had been worth it."],
    ],
    [
        ["Everyone in the {land} knew {s}, because {it} {was} afraid of the dark.", "{a} had a secret: {it} {was} afraid of [the dark|thunder|deep water]."],
        ["The others laughed, and {s} [stayed at home every night|hid whenever evening came].", "{it} told nobody, not even {its} best friend."],
        ["One night {wopen}, and {vi} did not come home.", "Then {wopen}, and nobody knew where {vi} was."],
        ["Nobody dared to go out. {s} took a deep breath and picked up {oi}.", "{s} trembled, but {it} took {oi} and went."],
        ["Step by step {it} walked into {w} and called until somebody answered.", "In {w} {it} could see nothing, so {it} listened, and followed the voice."],
        ["There sat {vi} with a hurt foot. {s} helped, and slowly they went home.", "It was {v}, caught in the thorns, and {s} cut the branches one by one."],
        ["In the morning nobody laughed any more. \"Brave,\" they said, \"is being afraid and going anyway.\"", "When {wend}, {s} noticed something: {it} {was} not afraid any more."],
    ],
    [
        ["One [cold|grey|bright] morning {s} found {oi} [by the river|in the grass|on the road].", "{s} {was} on the way home when {it} saw {oi} in the mud."],
        ["\"Who has lost this?\" {it} wondered, and {it} went from door to door.", "{it} could have kept it, but somebody must be missing it."],
        ["{fi} shook its head, and so did {vi}.", "\"Not mine,\" said {f}. \"Not mine,\" said {v}."],
        ["Then {wopen}, and {s} [wanted to give up|grew tired].", "By evening {wopen}, and {s} {was} cold and tired."],
        ["In the last house lived {ci}. When {he} saw {o}, tears came to {his} eyes.", "At the very last door stood {ci}. \"My {on}!\" {he} cried. \"I thought it was gone forever.\""],
        ["\"Come in and eat,\" said {c}, and put {food} on the table.", "{he} asked {s} to stay, and they had {food} by the fire."],
        ["{s} went home with empty hands and a full heart.", "From then on {s} had a friend in the last house of the {land}."],
    ],
    [
        ["{a} could not [sing|dance|whistle], and that made {obj} sad.", "More than anything, {s} wanted to learn to [sing|paint|dance]."],
        ["\"It is not hard,\" said {fi}. \"You only have to try.\"", "So {it} went to {ci}, who was the best teacher in the {land}."],
        ["{s} tried, and the noise was so terrible that [the birds flew away|a window broke].", "The first day went badly, and the second day was worse."],
        ["But {it} tried again, every day, in sun and in rain.", "{it} practised every morning, even when {wopen}."],
        ["Slowly it became better, and one day {vi} stopped to [listen|watch].", "After a year {vi} came by and said, \"That is beautiful.\""],
        ["At the summer feast {s} stood before the whole {land}, and everyone was silent.", "On midsummer night {s} stepped forward, and {its} heart beat fast."],
        ["Then they clapped and clapped, and {s} laughed with joy.", "When it was over, they cheered until midnight, and {s} bowed with a smile."],
    ],
    [
        ["{s} and {fi} lived in the same {land}, but they [never spoke|always quarrelled].", "{a} and {fi} could not stand each other."],
        ["One said that the {land} was too loud, the other that it was too quiet.", "Each of them wanted the best place in the sun."],
        ["Then {wopen}, and the bridge broke while both of them were on it.", "One day {wopen}, and both of them ran into the same cave."],
        ["They sat on a rock in the river, wet and cold, and said nothing.", "For a long time nobody said a word. It was cold."],
        ["At last {s} took out some {food} and [broke it in two|gave half of it away].", "Then {f} began to sneeze, and {s} gave it {its} scarf."],
        ["\"Thank you,\" said {f}, and they began to talk.", "They began to laugh, first a little, and then very loud."],
        ["When {wend}, they went home together, and they never quarrelled again.", "Since that day they share the place in the sun, and {it} {was} happier than before."],
    ],
]

# The subject is everywhere and belongs to nobody: music, honey, time.
STUFF = [
    [
        ["Long ago there was no {n} in the {land}, and nobody knew what was missing.", "In the {land} there was hardly any {n} left."],
        ["The days were long and grey, and people seldom smiled.", "People had forgotten what {n} was like."],
        ["Then {vi} came over the hills and brought a little {n} along.", "One day {ci} heard that there was still some {n} behind the mountains."],
        ["Everybody wanted to have it for himself, and they began to quarrel.", "{he} went to look for {n}, although {wopen}."],
        ["\"Stop,\" said {fi}. \"{n} grows when you share it.\"", "After many days {fi} showed the way to an old well, and there was {n} for everyone."],
        ["So they shared it, first a little, then more, and it was true.", "They carried it home, and every house got a part."],
        ["Since then there is always enough {n} in the {land}.", "That evening the people danced, and nobody was hungry or sad."],
    ],
    [
        ["{ci} wanted to know everything about {n}.", "\"Where does {n} come from?\" asked {ci} one morning."],
        ["{he} asked the teacher, the baker and the mayor, but everyone said something else.", "{his} mother did not know, and neither did {his} father."],
        ["So {he} walked into the hills to find {vi}, who was said to be wise.", "So {he} went out to look. On the way {wopen}."],
        ["\"Sit down,\" said {v}, \"and tell me when you were last happy.\"", "Under a tree sat {vi} and shared some {food} with {him}."],
        ["{c} told about the feast in the {land}, about friends and {food}.", "They were silent for a while and listened to the wind."],
        ["\"You see,\" said {v}, \"there was {n} in all of that.\"", "\"Look around you,\" said {v}. \"There is {n} in every little thing.\""],
        ["{c} went home and found that it was true.", "{c} smiled, and all the way home {he} saw {n} everywhere."],
    ],
]

# Two beings who were asked for together: {s} and {t}.
PAIR = [
    [
        ["{a} and {ta} lived near the {land}, and they were [good friends|neighbours|very different].", "Once {a} met {ta} on the road to the {land}."],
        ["One day {wopen}, and they found {oi}.", "They had heard of {oi} that lay hidden behind the hills."],
        ["\"It is mine,\" said {s}. \"No, it is mine,\" said {t}.", "\"Let us look for it together,\" said {s}, and {t} agreed."],
        ["They asked {fi}. \"It belongs to {ci},\" it said, \"and {he} misses it very much.\"", "{s} carried the {food}, and {t} knew the way."],
        ["So {s} and {t} walked through {w} to bring it back.", "When {s} grew tired, {t} told a story, and so they came to the top of the hill."],
        ["{ci} was so glad that {he} made {food} for both of them.", "There they found {o}, and it belonged to both of them."],
        ["Since that day {s} and {t} do everything together.", "\"Alone I would have lost the way,\" said {t}. \"So would I,\" said {s}, and they laughed."],
    ],
    [
        ["{s} wanted to [build a boat|plant a garden|climb the highest hill], but could not do it alone.", "{s} had a plan, and for the plan {it} needed {t}."],
        ["{t} shook {tits} head. \"That is too hard,\" {tit} said.", "\"I do not have time,\" said {t} at first."],
        ["So {s} began alone, and every day {t} watched from far away.", "{s} worked until the sun went down, and did not give up."],
        ["Then {wopen}, and everything broke.", "One night {wopen}, and the work of many days was lost."],
        ["In the morning {t} stood there with {oi}. \"Let me help,\" {tit} said.", "{s} sat on the ground and cried. Then somebody touched {its} arm. It was {t}."],
        ["Together they began again, and they shared {food} in the evening.", "With two it went twice as fast, and it was much more fun."],
        ["When it was finished, {s} and {t} sat side by side and watched the stars.", "And when it was done at last, nobody could say who had done more, {s} or {t}."],
    ],
]
