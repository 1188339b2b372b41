using PeftCore.Fuzz.Engine;
using PeftCore.Fuzz.Inputs;
using PeftCore.Fuzz.Kinds;

namespace PeftCore.Fuzz;

/// <summary>Reads malformed and contradictory inputs with the library and counts the outcomes; README.md in this directory explains the
/// table.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        string workplace = Directory.CreateTempSubdirectory("peftcore-fuzz-").FullName;
        try
        {
            var options = FuzzOptions.Parse(arguments);
            string place = Directory.Exists("/dev/shm")
                ? Directory.CreateDirectory(Path.Combine("/dev/shm", Path.GetFileName(workplace))).FullName : workplace;
            try
            {
                return options.Replay is var (kind, index) ? Replay(options, FuzzKinds.Get(kind), index, place) : Run(options, place);
            }
            finally
            {
                Directory.Delete(place, recursive: true);
            }
        }
        catch (BadInputException e)
        {
            Console.Error.WriteLine(e.Message);
            return 2;
        }
        finally
        {
            if (Directory.Exists(workplace))
            {
                Directory.Delete(workplace, recursive: true);
            }
        }
    }

    private static int Run(FuzzOptions options, string place)
    {
        Directory.CreateDirectory(options.Output);
        var files = new FailureFiles(options.Output);
        using var notes = new RunningNote(Path.Combine(options.Output, "running"));
        var tallies = new List<Tally>();
        FuzzKind[] kinds = options.Kind is null ? [.. FuzzKinds.All] : [FuzzKinds.Get(options.Kind)];
        foreach (var kind in kinds)
        {
            long count = kinds.Length == 1 ? options.Count : options.Count * kind.Share / kinds.Sum(k => k.Share);
            double start = ThreadClock.Wall;
            var run = new FuzzRun(kind, options.Seed, count, place)
            {
                Started = (worker, index) => notes.Write(worker, kind.Name, index),
                Failed = (verdict, index, input, like) => files.Keep(kind.Name, verdict, index, input, like),
            };
            tallies.Add(run.Run(options.Threads));
            Console.Error.WriteLine($"{kind.Name}: {count} inputs in {ThreadClock.Wall - start:F0} s");
        }
        Report.Write(Console.Out, tallies);
        long failures = tallies.Sum(tally => tally.Failures);
        if (failures > 0)
        {
            Console.WriteLine($"\n{failures} failures; inputs are kept in {options.Output}");
        }
        return failures == 0 ? 0 : 1;
    }

    private static int Replay(FuzzOptions options, FuzzKind kind, long index, string place)
    {
        var input = kind.Make(FuzzRandom.For(options.Seed, kind.Name, index));
        string directory = Directory.CreateDirectory(Path.Combine(place, "replay")).FullName;
        using var subject = kind.Open(directory);
        subject.Prepare(input);
        double start = ThreadClock.Seconds(ThreadClock.CurrentThread);
        var verdict = Judge.Try(subject, input);
        double seconds = ThreadClock.Seconds(ThreadClock.CurrentThread) - start;
        string kept = new FailureFiles(options.Output).Keep(kind.Name, verdict, index, input, 0);
        Console.WriteLine($"{FailureFiles.Describe(verdict, input)}seconds: {seconds:F3}\nfiles: {kept}");
        return verdict.IsFailure || seconds > FuzzRun.DefaultPatience ? 1 : 0;
    }
}
