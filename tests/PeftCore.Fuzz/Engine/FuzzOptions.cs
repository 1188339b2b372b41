using System.Globalization;

namespace PeftCore.Fuzz.Engine;

/// <summary>The command line.</summary>
/// <param name="Count">Total number of inputs.</param>
/// <param name="Seed">The seed of all inputs.</param>
/// <param name="Kind">The only kind; null for all.</param>
/// <param name="Replay">An input to reproduce; null for a run.</param>
/// <param name="Output">The directory for failing inputs.</param>
/// <param name="Threads">Number of threads.</param>
internal sealed record FuzzOptions(long Count, ulong Seed, string? Kind, (string Kind, long Index)? Replay, string Output, int Threads)
{
    public const string Usage =
        "usage: PeftCore.Fuzz [--count N] [--seed N] [--kind NAME] [--replay NAME:INDEX] [--output DIRECTORY] [--threads N]";

    public static FuzzOptions Parse(string[] arguments)
    {
        var options = new FuzzOptions(100_000, 1, null, null, Path.Combine(Path.GetTempPath(), "peftcore-fuzz"),
            Environment.ProcessorCount);
        for (int i = 0; i < arguments.Length; i += 2)
        {
            string value = i + 1 < arguments.Length ? arguments[i + 1]
                : throw new BadInputException($"{arguments[i]} has no value; {Usage}");
            options = arguments[i] switch
            {
                "--count" => options with { Count = Number(arguments[i], value) },
                "--seed" => options with { Seed = (ulong)Number(arguments[i], value) },
                "--threads" => options with { Threads = (int)Math.Clamp(Number(arguments[i], value), 1, 64) },
                "--kind" => options with { Kind = value },
                "--output" => options with { Output = value },
                "--replay" when value.Split(':') is [var kind, var index] => options with { Replay = (kind, Number(arguments[i], index)) },
                _ => throw new BadInputException($"{arguments[i]} {value} is not understood; {Usage}"),
            };
        }
        return options;
    }

    private static long Number(string name, string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
        ? number
        : throw new BadInputException($"{name} is {text}, expected a whole number; {Usage}");
}
