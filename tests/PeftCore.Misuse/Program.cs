using System.Globalization;
using PeftCore.Ilgpu;

namespace PeftCore.Misuse;

/// <summary>Calls the public surface at random, wrongly most of the time; README.md in this directory says how to read the
/// output.</summary>
internal static class Program
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static int Main(string[] arguments)
    {
        string Option(string name, string fallback) =>
            Array.IndexOf(arguments, name) is var at && at >= 0 && at + 1 < arguments.Length ? arguments[at + 1] : fallback;
        int Number(string name, int fallback) =>
            Option(name, "") is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;

        int count = Number("--count", 10_000), seed = Number("--seed", 1), only = Number("--episode", -1);
        string device = Option("--device", "cpu");
        string root = Directory.CreateTempSubdirectory("peftcore-misuse-").FullName;
        // Relative names, if a call makes files of them, stay below.
        string fixtures = Path.GetFullPath(Option("--fixtures", "tests/fixtures"));
        Directory.SetCurrentDirectory(Directory.CreateDirectory(Path.Combine(root, "current")).FullName);
        using var journal = new Journal(Option("--journal", Path.Combine(root, "journal")));
        Watch(journal);
        var entries = EntryPoint.All();
        var files = new Files(fixtures, root);
        for (int episode = only < 0 ? 0 : only; only < 0 ? journal.Calls < count : episode == only; episode++)
        {
            journal.BeginEpisode();
            string place = Directory.CreateDirectory(Path.Combine(root, $"{episode}")).FullName;
            new Episode(entries, journal, seed, episode).Run(files, place,
                device == "cpu" ? null : () => IlgpuDevices.Open(device, memoryLimit: 256L << 20));
            Directory.Delete(place, recursive: true);
        }
        Console.WriteLine($"seed {seed}: {journal.Calls} calls of {entries.Count} entry points, {journal.Succeeded} of which succeeded at "
            + "least once");
        Console.WriteLine(string.Join(", ", journal.Outcomes.OrderByDescending(o => o.Value).Select(o => $"{o.Value} {o.Key}")));
        journal.Report(Console.Out);
        Console.WriteLine($"{journal.FaultKinds} kinds of faults");
        Directory.SetCurrentDirectory(Path.GetTempPath());
        Directory.Delete(root, recursive: true);
        return journal.FaultKinds == 0 ? 0 : 1;
    }

    // A call that never returns ends the process with another code.
    private static void Watch(Journal journal) => new Thread(() =>
    {
        while (journal.Running < Patience)
        {
            Thread.Sleep(1000);
        }
        Console.WriteLine($"a call has run for {Patience.TotalSeconds:N0} s; the journal ends with it");
        Environment.Exit(3);
    })
    { IsBackground = true }.Start();
}
