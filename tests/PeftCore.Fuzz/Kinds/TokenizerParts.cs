using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Normalizers, pre-tokenizers, decoders and post-processors put together at random, with expressions that backtrack and edits
/// that grow the text.</summary>
internal static class TokenizerParts
{
    private static readonly string[] Expressions =
    [
        "(a+)+$", "(a|a)*b", "(.*)*x", "(a|aa)+$", "^(a?){30}a{30}$", "(?:a*)*c", "([a-z]+)*!!", "(\\s*)*y", ".*.*.*=", "(?=(a+))a*b\\1",
        "(?i:a)+", "\\p{L}+", "[^\\s]+", "", "(", "[", "a{1000000000}", "\\", "(?<=a+)b", "\\p{Foo}", "[z-a]",
        "(a)\\2", "(?>a+)+b", "x{3,1}", "\\u{110000}", "\\x{1F600}", "$", "^", "\\b", "(?!)", "a**", "((((((((((a*)*)*)*)*)*)*)*)*)*b",
    ];

    /// <summary>The name of a part of the file, and something to put there.</summary>
    public static (string Name, string Json) Make(FuzzRandom random) => random.Below(4) switch
    {
        0 => ("normalizer", Normalizer(random, 0)),
        1 => ("pre_tokenizer", PreTokenizer(random, 0)),
        2 => ("decoder", Decoder(random, 0)),
        _ => ("post_processor", PostProcessor(random)),
    };

    private static string Normalizer(FuzzRandom random, int depth) => random.Below(depth > 3 ? 10 : 13) switch
    {
        0 => $"{{\"type\": \"Replace\", \"pattern\": {Pattern(random)}, \"content\": {Text(random)}}}",
        1 => $"{{\"type\": \"Prepend\", \"prepend\": {Text(random)}}}",
        2 => random.Pick("{\"type\": \"NFC\"}", "{\"type\": \"NFD\"}", "{\"type\": \"NFKC\"}", "{\"type\": \"NFKD\"}",
            "{\"type\": \"Nmt\"}", "{\"type\": \"StripAccents\"}", "{\"type\": \"Lowercase\"}"),
        3 => "{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}",
        4 => $"{{\"type\": \"Precompiled\", \"precompiled_charsmap\": " +
            $"{random.Pick("\"AAAA\"", "\"\"", "null", "\"tgAAAA==\"", "\"/////w==\"", "\"BAAAAP////8AAAAA\"", "\"x\"", "7")}}}",
        5 => "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": null, " +
            "\"lowercase\": false}",
        6 => "{\"type\": \"ByteLevel\"}",
        7 => Doubling(random.Between(2, 26)),
        8 => Nested("{\"type\": \"Sequence\", \"normalizers\": [", "]}", random.Between(3, 70), "{\"type\": \"NFC\"}"),
        9 => "null",
        _ => $"{{\"type\": \"Sequence\", \"normalizers\": " +
            $"[{string.Join(",", Enumerable.Range(0, random.Below(4)).Select(_ => Normalizer(random, depth + 1)))}]}}",
    };

    private static string PreTokenizer(FuzzRandom random, int depth) => random.Below(depth > 3 ? 9 : 12) switch
    {
        0 or 1 => $"{{\"type\": \"Split\", \"pattern\": {Pattern(random)}, \"behavior\": " +
            $"\"{random.Pick("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous", "Foo")}\", \"invert\": " +
            $"{random.Pick("true", "false")}}}",
        2 => $"{{\"type\": \"ByteLevel\", \"add_prefix_space\": {random.Pick("true", "false")}, \"trim_offsets\": true, \"use_regex\": " +
            $"{random.Pick("true", "false")}}}",
        3 => random.Pick("{\"type\": \"Whitespace\"}", "{\"type\": \"WhitespaceSplit\"}", "{\"type\": \"BertPreTokenizer\"}",
            "{\"type\": \"UnicodeScripts\"}"),
        4 => $"{{\"type\": \"Digits\", \"individual_digits\": {random.Pick("true", "false", "1")}}}",
        5 => $"{{\"type\": \"Punctuation\", \"behavior\": \"{random.Pick("Isolated", "Removed", "foo")}\"}}",
        6 => $"{{\"type\": \"Metaspace\", \"replacement\": {random.Pick("\"▁\"", "\"\"", "\"ab\"", "7", "\" \"")}, \"prepend_scheme\": " +
            $"\"{random.Pick("always", "never", "first", "foo")}\", \"split\": {random.Pick("true", "false")}}}",
        7 => $"{{\"type\": \"CharDelimiterSplit\", \"delimiter\": {random.Pick("\"a\"", "\"\"", "\"ab\"")}}}",
        8 => $"{{\"type\": \"FixedLength\", \"length\": {random.Pick("1", "0", "-1", "5", "2147483647")}}}",
        _ => $"{{\"type\": \"Sequence\", \"pretokenizers\": " +
            $"[{string.Join(",", Enumerable.Range(0, random.Below(4)).Select(_ => PreTokenizer(random, depth + 1)))}]}}",
    };

    private static string Decoder(FuzzRandom random, int depth) => random.Below(depth > 3 ? 9 : 12) switch
    {
        0 => $"{{\"type\": \"Replace\", \"pattern\": {Pattern(random)}, \"content\": {Text(random)}}}",
        1 => "{\"type\": \"ByteFallback\"}",
        2 => "{\"type\": \"Fuse\"}",
        3 => $"{{\"type\": \"Strip\", \"content\": {random.Pick("\" \"", "\"\"", "\"ab\"")}, \"start\": " +
            $"{random.Pick("0", "1", "-1", "2147483647")}, \"stop\": {random.Pick("0", "1", "1000")}}}",
        4 => "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true}",
        5 => $"{{\"type\": \"WordPiece\", \"prefix\": {Text(random)}, \"cleanup\": {random.Pick("true", "false")}}}",
        6 => "{\"type\": \"Metaspace\", \"replacement\": \"▁\", \"prepend_scheme\": \"always\", \"split\": true}",
        7 => $"{{\"type\": \"CTC\", \"pad_token\": {Text(random)}, \"word_delimiter_token\": {Text(random)}, \"cleanup\": true}}",
        8 => $"{{\"type\": \"BPEDecoder\", \"suffix\": {Text(random)}}}",
        _ => $"{{\"type\": \"Sequence\", \"decoders\": " +
            $"[{string.Join(",", Enumerable.Range(0, random.Below(4)).Select(_ => Decoder(random, depth + 1)))}]}}",
    };

    private static string PostProcessor(FuzzRandom random) => random.Below(4) switch
    {
        0 => "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true}",
        1 => $"{{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", {random.Pick("3", "-1", "99999", "\"3\"")}], \"cls\": [\"[CLS]\", 2]}}",
        2 => $"{{\"type\": \"RobertaProcessing\", \"sep\": [\"</s>\", {random.Pick("2", "99999")}], \"cls\": [\"<s>\", 0], " +
            $"\"trim_offsets\": true, \"add_prefix_space\": false}}",
        _ => $"{{\"type\": \"Sequence\", \"processors\": " +
            $"[{string.Join(",", Enumerable.Range(0, random.Below(3)).Select(_ => PostProcessor(random)))}]}}",
    };

    private static string Pattern(FuzzRandom random) =>
        random.OnceIn(3) ? $"{{\"String\": {Text(random)}}}"
        : $"{{\"Regex\": {JsonTree.Of(random.OnceIn(4) ? random.Pick(Expressions) + random.Pick(Expressions) : random.Pick(Expressions))}}}";

    private static string Text(FuzzRandom random) =>
        random.Pick("\"a\"", "\"\"", "\"aa\"", "\" \"", "\"▁\"", "\"😀\"", "\"\\u0000\"", "\"$1\"", "\"##\"",
            "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "7");

    private static string Doubling(int times) => "{\"type\": \"Sequence\", \"normalizers\": ["
        + string.Join(",", Enumerable.Repeat("{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": \"aa\"}", times)) +
        "]}";

    private static string Nested(string open, string close, int depth, string inner) =>
        string.Concat(Enumerable.Repeat(open, depth / 2)) + inner + string.Concat(Enumerable.Repeat(close, depth / 2));
}
