using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>The tokenizer fixtures with the first few hundred tokens of their vocabularies, so that thousands can be read in a
/// second.</summary>
internal static class TokenizerSample
{
    public static IReadOnlyList<string> Names { get; } = ["byte_bpe", "sentencepiece_bpe", "unigram", "wordpiece"];

    private static readonly Dictionary<string, JsonTree> Trees = Names.ToDictionary(name => name, Shortened);

    /// <summary>A copy to change.</summary>
    public static JsonTree Get(string name) => Trees[name].Clone();

    private static JsonTree Shortened(string name)
    {
        var tree = JsonTree.Parse(Fixture.Text("tokenizers", name, "tokenizer.json"));
        var model = tree["model"]!;
        int most = name == "wordpiece" ? 200 : 380;
        if (model["vocab"]!.Items is { } scored)
        {
            scored.RemoveRange(most, scored.Count - most);
        }
        else
        {
            model["vocab"]!.Fields!.RemoveAll(token => token.Value.Number >= most);
        }
        if (model["merges"]?.Items is { } merges)
        {
            HashSet<string> tokens = [.. model["vocab"]!.Fields!.Select(token => token.Key)];
            merges.RemoveAll(merge => Halves(merge) is var (left, right) && !(tokens.Contains(left) && tokens.Contains(right)
                && tokens.Contains(left + right)));
        }
        tree["added_tokens"]!.Items!.RemoveAll(token => token["id"]!.Number > 4);
        return tree;
    }

    private static (string Left, string Right) Halves(JsonTree merge)
    {
        string[] halves = merge.Items is { } pair ? [pair[0].Text, pair[1].Text] : merge.Text.Split(' ');
        return (halves[0], halves[1]);
    }
}
