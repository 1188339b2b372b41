using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>A way to make a tokenizer.json contradict itself.</summary>
/// <param name="Name">The name of the rule.</param>
/// <param name="Samples">The samples it applies to; empty for all.</param>
/// <param name="Apply">Changes a file and returns the expected outcome.</param>
internal sealed record TokenizerRule(string Name, IReadOnlyList<string> Samples, Func<FuzzRandom, JsonTree, Claim> Apply);

/// <summary>Contradictions by construction.</summary>
internal static class TokenizerContradictions
{
    private static readonly string[] Mapped = ["byte_bpe", "sentencepiece_bpe", "wordpiece"], Bpe = ["byte_bpe", "sentencepiece_bpe"],
        Templates = ["sentencepiece_bpe", "unigram", "wordpiece"];

    private static readonly TokenizerRule[] Rules =
    [
        new("two tokens with one id", Mapped, (random, tree) =>
        {
            var (one, other) = TwoTokens(random, tree);
            Vocabulary(tree)[one] = (Vocabulary(tree)[one].Key, Vocabulary(tree)[other].Value);
            return Claim.About("id");
        }),
        new("a token twice, with two ids", Mapped, (random, tree) =>
        {
            var (one, other) = TwoTokens(random, tree);
            Vocabulary(tree)[one] = (Vocabulary(tree)[other].Key, Vocabulary(tree)[one].Value);
            return Claim.Impossible;
        }),
        new("an id that is none", Mapped, (random, tree) =>
        {
            int at = random.Below(Vocabulary(tree).Count);
            Vocabulary(tree)[at] =
                (Vocabulary(tree)[at].Key, JsonTree.Parse(random.Pick("-1", "1.5", "\"7\"", "null", "2147483648", "[1]", "true", "1e999")));
            return Claim.Impossible;
        }),
        new("a merge of a token that is none", Bpe, (random, tree) =>
        {
            var merges = tree["model"]!["merges"]!.Items!;
            merges[random.Below(merges.Count)] = JsonTree.Parse(random.Pick("\"qqqzz x\"", "[\"qqqzz\", \"x\"]", "[\"x\"]", "\"x\"", "7",
                "null", "[\"x\", \"y\", \"z\"]", "\"a b c\"", "[1, 2]", "\"\""));
            return Claim.Impossible;
        }),
        new("an added token with another id than in the vocabulary", [], (random, tree) =>
        {
            random.Pick(tree["added_tokens"]!.Items!)["id"] = JsonTree.Of(random.Between(300, 370));
            return Claim.About("added_tokens");
        }),
        new("two added tokens with one id", [], (random, tree) =>
        {
            var tokens = tree["added_tokens"]!.Items!;
            tokens[1]["id"] = tokens[0]["id"]!.Clone();
            return Claim.About("added_tokens");
        }),
        new("an added token twice, with two ids", [], (random, tree) =>
        {
            var again = random.Pick(tree["added_tokens"]!.Items!).Clone();
            again["id"] = JsonTree.Of(random.Pick(4000, 9000, 5));
            tree["added_tokens"]!.Items!.Add(again);
            return Claim.About("added_tokens");
        }),
        new("a new added token with the id of another", [], (random, tree) =>
        {
            tree["added_tokens"]!.Items!.Add(JsonTree.Parse(
                $"{{\"id\": {random.Between(5, 150)}, \"content\": \"<new>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": " +
                $"false, \"normalized\": false, \"special\": true}}"));
            return Claim.About("added_tokens");
        }),
        new("an unknown token that is not in the vocabulary", ["wordpiece"], (_, tree) =>
        {
            tree["model"]!["unk_token"] = JsonTree.Of("<none>");
            return Claim.About("unk_token");
        }),
        new("an unknown token beyond the vocabulary", ["unigram"], (random, tree) =>
        {
            tree["model"]!.Set("unk_id", random.Pick("100000", "-1", "380", "\"2\"", "2.5", "true"));
            return Claim.Impossible;
        }),
        new("a scored token twice, with two scores", ["unigram"], (random, tree) =>
        {
            var items = tree["model"]!["vocab"]!.Items!;
            var again = random.Pick(items).Clone();
            again.Items![1] = JsonTree.Of(again.Items[1].Number - 1);
            items.Add(again);
            return Claim.About("vocab");
        }),
        new("a score that is none", ["unigram"], (random, tree) =>
        {
            random.Pick(tree["model"]!["vocab"]!.Items!).Items![1] = JsonTree.Parse(random.Pick("\"-1\"", "null", "1e999", "[]", "true"));
            return Claim.Impossible;
        }),
        new("a post-processor whose ids are those of other tokens", Templates, (random, tree) =>
        {
            Special(random, tree).Set("ids", random.Pick("[7]", "[100]", "[9999]"));
            return Claim.About("post_processor", "special_tokens");
        }),
        new("a post-processor with an id that is none", Templates, (random, tree) =>
        {
            Special(random, tree).Set("ids", random.Pick("[-1]", "[\"1\"]", "\"1\"", "[1.5]", "null"));
            return Claim.Impossible;
        }),
        new("a post-processor with more ids than tokens", Templates, (random, tree) =>
        {
            var special = Special(random, tree);
            special.Set("ids", $"[{special["ids"]!.Items![0]}, 5]");
            return Claim.About("post_processor", "special_tokens");
        }),
        new("a post-processor with a token it does not describe", Templates, (random, tree) =>
        {
            tree["post_processor"]!["special_tokens"]!.Fields!.Clear();
            return Claim.Impossible;
        }),
        new("a part nobody knows", [], (random, tree) =>
        {
            tree.Set(random.Pick("normalizer", "pre_tokenizer", "post_processor", "decoder", "model"),
                random.Pick("{\"type\": \"Foo\"}", "{\"type\": \"\"}", "{\"type\": 7}", "7", "[]", "\"BPE\"", "{}"));
            return Claim.Impossible;
        }),
        new("a field nobody knows", [], (random, tree) =>
        {
            var holder = random.Pick(tree, tree["model"]!, tree["added_tokens"]!.Items![0]);
            holder.Set(random.Pick("foo", "Vocab", "unk", "ids"), random.Pick("7", "null", "{}"));
            return Claim.Impossible;
        }),
        new("a field twice", [], (random, tree) =>
        {
            var holder = random.Pick(tree, tree["model"]!, tree["added_tokens"]!.Items![0]);
            var (key, value) = random.Pick(holder.Fields!.Where(field => field.Key is not ("vocab" or "merges" or "model")).ToArray());
            JsonEdits.Double(random, holder, key, value.IsBool ? JsonTree.Parse(value.Raw == "true" ? "false" : "true") : value.IsNumber
                ? JsonTree.Of(value.Number + 1) : JsonTree.Parse("null"));
            return value.IsNull ? new Claim(Expectation.Any, []) : Claim.Impossible;
        }),
    ];

    private static readonly Dictionary<string, TokenizerRule[]> BySample = TokenizerSample.Names
        .ToDictionary(name => name, name => Rules.Where(rule => rule.Samples.Count == 0 || rule.Samples.Contains(name)).ToArray());

    public static IReadOnlyList<TokenizerRule> For(string sample) => BySample[sample];

    private static List<(string Key, JsonTree Value)> Vocabulary(JsonTree tree) => tree["model"]!["vocab"]!.Fields!;

    private static JsonTree Special(FuzzRandom random, JsonTree tree) =>
        random.Pick(tree["post_processor"]!["special_tokens"]!.Fields!).Value;

    private static (int One, int Other) TwoTokens(FuzzRandom random, JsonTree tree)
    {
        int count = Vocabulary(tree).Count, one = random.Below(count);
        return (one, (one + random.Between(1, count - 1)) % count);
    }
}
