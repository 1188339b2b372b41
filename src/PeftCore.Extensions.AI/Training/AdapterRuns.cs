using System.Globalization;
using PeftCore.Peft;

namespace PeftCore.Extensions.AI.Training;

/// <summary>The folders of trained adapters: OutputDirectory/adapter/run-N.</summary>
/// <param name="root">The output directory.</param>
internal sealed class AdapterRuns(string root)
{
    private const string Prefix = "run-";

    /// <summary>A folder for the next run of an adapter, which does not exist yet.</summary>
    public string Next(string adapter) =>
        Path.Combine(root, adapter, Prefix + (RunsOf(Path.Combine(root, adapter)).Select(run => run.Number).DefaultIfEmpty(0).Max() + 1)
            .ToString(CultureInfo.InvariantCulture));

    /// <summary>The folder of the last run of each adapter that ended well.</summary>
    public IEnumerable<(string Adapter, string Directory)> Saved() =>
        from folder in Directory.Exists(root) ? Directory.GetDirectories(root).Order(StringComparer.Ordinal).ToArray() : []
        let last = RunsOf(folder).Where(run => IsComplete(run.Path)).OrderBy(run => run.Number).LastOrDefault()
        where last.Path is not null
        select (Path.GetFileName(folder), last.Path);

    private static IEnumerable<(int Number, string Path)> RunsOf(string folder)
    {
        foreach (string path in Directory.Exists(folder) ? Directory.GetDirectories(folder, Prefix + "*") : [])
        {
            string number = Path.GetFileName(path)[Prefix.Length..];
            if (int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int run))
            {
                yield return (run, path);
            }
        }
    }

    private static bool IsComplete(string path) =>
        File.Exists(Path.Combine(path, PeftConfig.FileName)) && SavedAdapter.WeightFileOf(path) is not null;
}
