using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>A tokenizer_config.json, and perhaps a file beside it, that do not fit each other or the tokenizer.</summary>
/// <param name="Name">Under what it is counted.</param>
/// <param name="Make">Makes the files for a sample and says what must come of them.</param>
internal sealed record TokenizerConfigRule(string Name, Func<FuzzRandom, string, (Claim Claim, string Config, FuzzFile? Sibling)> Make);

/// <summary>Files beside a tokenizer.json.</summary>
internal static class TokenizerConfigs
{
    public const string FileName = "tokenizer_config.json", MapName = "special_tokens_map.json", ModelName = "config.json",
        GenerationName = "generation_config.json";

    private static readonly string[] Roles = ["bos_token", "eos_token", "pad_token", "unk_token"];

    public static IReadOnlyList<TokenizerConfigRule> Rules { get; } =
    [
        new("a special token of the wrong type", (random, _) =>
            (Claim.Impossible,
                $"{{\"{random.Pick(Roles)}\": {random.Pick("7", "[\"</s>\"]", "true", "{\"content\": 7}", "{}", "{\"content\": null}")}}}",
                null)),
        new("a special token in two files, with two values", (random, _) =>
        {
            string role = random.Pick(Roles);
            return (Claim.About(role), $"{{\"{role}\": {random.Pick("\"a\"", "{\"content\": \"a\"}")}}}", new FuzzFile(MapName,
                $"{{\"{role}\": {random.Pick("\"b\"", "{\"content\": \"b\"}")}}}"));
        }),
        new("a special token twice, with two values", (random, _) =>
        {
            string role = random.Pick(Roles);
            return (Claim.Impossible, $"{{\"{role}\": \"a\", \"{role}\": \"b\"}}", null);
        }),
        new("a decoder of added tokens that says otherwise", (random, _) =>
            (Claim.About("added_tokens_decoder"),
                $"{{\"added_tokens_decoder\": {{\"{random.Pick("0", "1")}\": {{\"content\": \"<other>\", \"special\": true}}}}}}", null)),
        new("a chat template of the wrong type", (random, _) =>
            (Claim.Impossible,
                $"{{\"chat_template\": {random.Pick("7", "true", "{\"default\": 7}", "[7]", "[{\"name\": \"default\"}]", "[{\"template\": \"x\"}]", "\"{% if %}\"", "\"{{\"")}}}", null)),
        new("a special token that is not in the vocabulary", (random, _) =>
        {
            string role = random.Pick(Roles);
            return (Claim.About(role), $"{{\"{role}\": {random.Pick("\"<none>\"", "{\"content\": \"<none>\"}")}}}", null);
        }),
        new("another end token in config.json", (random, sample) =>
            (Claim.About("eos_token"), $"{{\"eos_token\": \"{EndOf(sample)}\"}}", new FuzzFile(random.Pick(ModelName, GenerationName),
                $"{{\"eos_token_id\": {random.Pick("7", "[7, 8]", "9999")}}}"))),
        new("an end token of the wrong type in config.json", (random, sample) =>
            (Claim.Impossible, $"{{\"eos_token\": \"{EndOf(sample)}\"}}", new FuzzFile(ModelName,
                $"{{\"eos_token_id\": {random.Pick("\"2\"", "true", "{}", "[\"2\"]", "2.5")}}}"))),
        new("a first token that is turned off and added", (_, sample) => sample == "sentencepiece_bpe"
            ? (Claim.About("add_bos_token"), "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"add_bos_token\": false}", null)
            : (Claim.About("bos_token"), "{\"bos_token\": \"<none>\", \"add_bos_token\": true}", null)),
        new("a chat template in two files, with two texts", (_, _) =>
            (Claim.About("chat template", "chat_template"), "{\"chat_template\": \"a\"}", new FuzzFile("chat_template.jinja", "b"))),
        new("two chat templates of one name", (_, _) =>
            (Claim.About("chat_template"),
                "{\"chat_template\": [{\"name\": \"default\", \"template\": \"a\"}, {\"name\": \"default\", \"template\": \"b\"}]}", null)),
        new("a damaged tokenizer_config.json", (random, _) =>
            (new Claim(Expectation.Any, []), System.Text.Encoding.Latin1.GetString(Damage.Apply(random,
                "{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"</s>\"}, \"model_max_length\": 512, \"chat_template\": \"{{ messages }}\"}"u8.ToArray())), null)),
    ];
    private static string EndOf(string sample) => sample switch { "byte_bpe" => "<|endoftext|>", "wordpiece" => "[SEP]", _ => "</s>" };
}
