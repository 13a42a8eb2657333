//! The table of pre-tokenizers. Adding one is adding a row.
//!
//! The expressions are those that llama.cpp runs under the name in `tokenizer.ggml.pre`, for that is what a GGUF file is compared
//! with; where a model's own `tokenizer.json` has another, it is in `folder`, and `docs/design/tokenizers.md` says what differs.

use super::{Cut, Row};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str =
    r"(?i-u:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i-u:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i-u:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Upper case, then lower case. llama.cpp tells case for ASCII alone: any other letter is both, and marks are no letters.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}--[a-z]]*[\p{L}--[A-Z]]+|[^\r\n\p{L}\p{N}]?[\p{L}--[a-z]]+[\p{L}--[A-Z]]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN_FOLDER: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}--[a-z]]*[\p{L}--[A-Z]]+(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{L}--[a-z]]+[\p{L}--[A-Z]]*(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O_FOLDER: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As [`GPT4O`], with marks for letters.
const GRANITE_EMBEDDING: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}--[a-z]]*[\p{L}\p{M}--[A-Z]]+(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}--[a-z]]+[\p{L}\p{M}--[A-Z]]*(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As [`GPT4O`] where no case is told at all: each of the categories that the model names stands for every letter in llama.cpp.
const TINY_AYA: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const YOUTU: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const YOUTU_ASIAN: &str = r"[\u{AC00}-\u{D7A3}\u{3131}-\u{318E}]+|[\u{FF01}\u{2026}\u{201C}\u{201D}\u{2018}\u{2019}\u{2014}\u{FF1A}\u{FF1B}\u{FF0C}\u{3001}-\u{303F}\u{FE30}-\u{FE4F}]+|[\u{3105}-\u{312F}]+|[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+";
/// Han without the blocks beyond U+2EBEF, and letters that are not: llama.cpp's reading of the model's `\p{Han}` (no marks, no case).
const KIMI_K2: &str = r"[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{20000}-\u{2A6DF}\u{2A700}-\u{2EBEF}\u{F900}-\u{FAFF}\u{2F800}-\u{2FA1F}]+|[^\r\n\p{L}\p{N}]?[\p{L}--[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{20000}-\u{2A6DF}\u{2A700}-\u{2EBEF}\u{F900}-\u{FAFF}\u{2F800}-\u{2FA1F}]]+(?i-u:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Cased letters as of Unicode 11, mathematical ones left out.
const DEEPSEEK_CASED: &str = concat!(
    r"\s?[A-Za-z",
    r"\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}\u{370}-\u{373}",
    r"\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}\u{3A3}-\u{3F5}\u{3F7}-\u{481}",
    r"\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}",
    r"\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}",
    r"\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}",
    r"\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}",
    r"\u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\u{2126}",
    r"\u{2128}\u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}",
    r"\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}\u{A680}-\u{A69B}",
    r"\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}",
    r"\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}",
    r"\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}",
    r"]+",
);
/// U+3000 is between these in the model's file; to llama.cpp it is white space first.
const DEEPSEEK_PUNCTUATION: &str = r"\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3001}-\u{3002}]+";
const DEEPSEEK_ASIAN: &str = r"[\u{800}-\u{9FA5}\u{AC00}-\u{D7FF}--\s]+";
const HAN_KANA: &str = r"[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const SPARK: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"##;
/// From U+8C48 where the model's file begins at U+F900: the sign there was normalized to this one when llama.cpp wrote it down.
const AFMOE_ASIAN: &str = r"[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{8C48}-\u{FAFF}\u{3040}-\u{309F}\u{30A0}-\u{30FF}\u{FF65}-\u{FF9F}\u{2F00}-\u{2FDF}\u{E40}-\u{E7F}\u{E80}-\u{EFF}\u{1780}-\u{17FF}\u{1000}-\u{109F}\u{AA60}-\u{AA7F}\u{A9E0}-\u{A9FF}\u{AC00}-\u{D7AF}\u{1100}-\u{11FF}]+";
const BLOOM: &str = r" ?[^(\s|.,!?\u{2026}\u{3002}\u{FF0C}\u{3001}\u{964}\u{6D4}\u{60C})]+";
const BAILING: &str =
    r"(?i-u:'s|'d|'m|'t|'ll|'ve|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const BAILING_FOLDER: &str =
    r"'(?i-u:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const SEED_CODER: &str =
    r"(?i-u:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
const UFAKZEKA: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const EXAONE_MOE: &str = r"(?i-u:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+";
const MINICPM5: &str =
    r"(?i-u:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const JAIS2: &str = r"(?i-u:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}";

/// What most rows have.
const PLAIN: Row = Row { names: &[], cuts: &[], folder: None, ignore_merges: false, adds_bos: false };

/// Every pre-tokenizer wick knows, under every name that files use for it.
pub(crate) const ROWS: &[Row] = &[
    Row {
        names: &[
            "gpt-2",
            "phi-2",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "exaone4",
            "olmo",
            "mpt",
            "jais",
            "trillion",
            "granite-docling",
        ],
        cuts: &[Cut::At(GPT2)],
        ..PLAIN
    },
    Row {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"],
        cuts: &[Cut::At(LLAMA3)],
        ignore_merges: true,
        adds_bos: true,
        ..PLAIN
    },
    Row { names: &["smaug-bpe", "dbrx", "chatglm-bpe"], cuts: &[Cut::At(LLAMA3)], ..PLAIN },
    Row { names: &["glm4", "glm5"], cuts: &[Cut::At(LLAMA3)], ignore_merges: true, ..PLAIN },
    Row {
        names: &["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"],
        cuts: &[Cut::At(QWEN2)],
        ..PLAIN
    },
    Row { names: &["qwen35"], cuts: &[Cut::At(QWEN35)], ..PLAIN },
    Row {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        cuts: &[Cut::At(r"\p{N}"), Cut::At(GPT2)],
        ..PLAIN
    },
    Row {
        names: &["tekken"],
        cuts: &[Cut::At(TEKKEN)],
        folder: Some(&[TEKKEN_FOLDER]),
        ignore_merges: true,
        adds_bos: true,
    },
    Row {
        names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        cuts: &[Cut::At(GPT4O)],
        folder: Some(&[GPT4O_FOLDER]),
        ..PLAIN
    },
    Row { names: &["granite-embed-multi-97m"], cuts: &[Cut::At(GRANITE_EMBEDDING)], ignore_merges: true, ..PLAIN },
    Row {
        names: &["deepseek-llm"],
        cuts: &[
            Cut::At(r"[\r\n]"),
            Cut::At(DEEPSEEK_CASED),
            Cut::At(DEEPSEEK_PUNCTUATION),
            Cut::At(r"\s+$"),
            Cut::At(DEEPSEEK_ASIAN),
            Cut::At(r"\p{N}+"),
        ],
        ..PLAIN
    },
    Row {
        names: &["deepseek-coder"],
        cuts: &[
            Cut::At(r"[\r\n]"),
            Cut::At(r"\s?\p{L}+"),
            Cut::At(r"\s?\p{P}+"),
            Cut::At(DEEPSEEK_ASIAN),
            Cut::At(r"\p{N}"),
        ],
        ..PLAIN
    },
    Row {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        cuts: &[Cut::At(r"\p{N}{1,3}"), Cut::At(HAN_KANA), Cut::At(DEEPSEEK3)],
        folder: Some(&[r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK3]),
        ..PLAIN
    },
    Row {
        names: &["spark2_5"],
        cuts: &[Cut::At(r"\p{N}{1,3}"), Cut::At(HAN_KANA), Cut::At(SPARK), Cut::At(r"\p{N}")],
        ..PLAIN
    },
    Row { names: &["kimi-k2"], cuts: &[Cut::At(KIMI_K2)], ..PLAIN },
    Row {
        names: &["falcon"],
        cuts: &[Cut::At(r"[\p{P}\$\+<=>\^~\|`]+"), Cut::At(GPT2), Cut::At("[0-9][0-9][0-9]")],
        ..PLAIN
    },
    Row { names: &["bloom", "poro-chat", "gpt3-finnish"], cuts: &[Cut::At(BLOOM)], ..PLAIN },
    Row { names: &["viking"], cuts: &[Cut::At(BLOOM), Cut::At(r"\p{N}")], ..PLAIN },
    Row { names: &["superbpe"], cuts: &[Cut::At(r"\p{N}+"), Cut::BeforeThousands], ..PLAIN },
    Row {
        names: &["bailingmoe", "bailingmoe2", "llada-moe"],
        cuts: &[Cut::At(BAILING)],
        folder: Some(&[BAILING_FOLDER]),
        ..PLAIN
    },
    Row { names: &["seed-coder"], cuts: &[Cut::At(SEED_CODER)], ..PLAIN },
    Row { names: &["youtu"], cuts: &[Cut::At(YOUTU_ASIAN), Cut::At(YOUTU)], ignore_merges: true, ..PLAIN },
    Row { names: &["afmoe"], cuts: &[Cut::AfterThousands, Cut::At(AFMOE_ASIAN), Cut::At(DEEPSEEK3)], ..PLAIN },
    Row {
        names: &["tiny_aya", "cohere2moe"],
        cuts: &[Cut::AfterThousands, Cut::At(TINY_AYA)],
        folder: Some(&[r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O_FOLDER]),
        ..PLAIN
    },
    Row { names: &["exaone-moe"], cuts: &[Cut::At(EXAONE_MOE)], ..PLAIN },
    Row { names: &["laguna"], cuts: &[Cut::At("[^\n]+|\n+"), Cut::At(QWEN2)], ..PLAIN },
    Row { names: &["minicpm5"], cuts: &[Cut::At(r"\p{N}{1,3}"), Cut::At(MINICPM5)], ignore_merges: true, ..PLAIN },
    Row { names: &["jais-2"], cuts: &[Cut::At(JAIS2)], ..PLAIN },
    Row { names: &["ufakzeka"], cuts: &[Cut::At(UFAKZEKA)], ..PLAIN },
    Row {
        names: &["chameleon"],
        cuts: &[
            Cut::At("<sentinel:[0-9]+>"),
            Cut::At("(?:IMGIMG)[A-I]{1,4}Z"),
            Cut::At("[\t\n]|    |  "),
            Cut::At(r"\p{N}"),
            Cut::At(r"[\p{P}!-/:-@\[-`{-~]"),
            Cut::At(GPT2),
        ],
        adds_bos: true,
        ..PLAIN
    },
    // What files get that name none: older than the key.
    Row {
        names: &["default"],
        cuts: &[Cut::At(r"[\p{P}\$\+<=>\^~\|]+"), Cut::At(GPT2), Cut::At(r"\p{N}+"), Cut::At("[0-9][0-9][0-9]")],
        ..PLAIN
    },
];
