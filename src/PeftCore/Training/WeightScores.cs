using System.Globalization;
using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Peft.Sparse;

namespace PeftCore.Training;

/// <summary>A score for each entry of each weight by a criterion; higher is more important.</summary>
public sealed class WeightScores
{
    private readonly IReadOnlyList<KeyValuePair<string, float[]>> _scores;

    internal WeightScores(IReadOnlyList<KeyValuePair<string, float[]>> scores) => _scores = scores;

    /// <summary>Paths of the modules whose weights were scored.</summary>
    public IEnumerable<string> Paths => _scores.Select(pair => pair.Key);

    /// <summary>Number of scored entries.</summary>
    public long Count => _scores.Sum(pair => (long)pair.Value.Length);

    /// <summary>The scores of a module's weight, in the weight's own layout.</summary>
    /// <exception cref="ArgumentException">No module of this path was scored.</exception>
    public ReadOnlySpan<float> Of(string path) => _scores.FirstOrDefault(pair => pair.Key == path).Value
        ?? throw new ArgumentException($"no module \"{path}\" was scored; scored are {string.Join(", ", Paths.Take(5))} …", nameof(path));

    /// <summary>Chooses the entries with the highest scores.</summary>
    /// <param name="density">Fraction of the entries that are chosen.</param>
    /// <param name="scope">Whether the entries of all tensors are ranked together or those of each tensor alone.</param>
    /// <param name="threshold">Chooses every entry with at least this score instead of a fraction.</param>
    /// <exception cref="BadInputException">No entry would be chosen.</exception>
    public SparseMask Choose(double density = 0.01, SelectionScope scope = SelectionScope.Global, double? threshold = null) =>
        TopKSelection.Choose(_scores, new EntryBudget(density, threshold, scope));

    /// <summary>Writes one F32 tensor per module.</summary>
    public void Save(string path) => SafetensorsWriter.Write(path, _scores.Select(pair =>
        SafetensorsTensor.Of(pair.Key + ".scores", "F32", [pair.Value.Length], pair.Value)));

    /// <summary>A report of a mask: for each module the number of entries, of chosen entries, and their share of the sum of
    /// scores.</summary>
    public JsonObject Report(SparseMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        var modules = new JsonObject();
        foreach (var (path, scores) in _scores)
        {
            double all = scores.Sum(score => (double)score), chosen = mask.Entries(path).Sum(place => (double)scores[place]);
            modules[path] = new JsonObject
            {
                ["entries"] = (long)scores.Length,
                ["chosen"] = (long)mask.Entries(path).Length,
                ["share"] = Rounded((double)mask.Entries(path).Length / scores.Length),
                ["share_of_scores"] = Rounded(all == 0 ? 0 : chosen / all),
            };
        }
        return new JsonObject
        {
            ["entries"] = Count, ["chosen"] = mask.Count, ["share"] = Rounded((double)mask.Count / Count),
            ["modules"] = modules
        };
    }

    private static JsonNode Rounded(double value) => JsonNode.Parse(value.ToString("0.######", CultureInfo.InvariantCulture))!;
}
