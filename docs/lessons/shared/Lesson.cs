using System.Runtime.CompilerServices;

/// <summary>What all lessons share; Directory.Build.props compiles it into each of them and imports it with "using static".</summary>
internal static class Lesson
{
    /// <summary>Prints a claim that holds; ends the program with exit code 1 if it does not.</summary>
    /// <param name="holds">Whether it holds.</param>
    /// <param name="sentence">The claim, with its numbers.</param>
    /// <exception cref="InvalidOperationException">It does not hold.</exception>
    public static void Claim(bool holds, string sentence)
    {
        if (holds)
        {
            Console.WriteLine("✓ " + sentence);
            return;
        }
        AppDomain.CurrentDomain.UnhandledException += (_, e) =>
        {
            Console.Error.WriteLine(((Exception)e.ExceptionObject).Message);
            Environment.Exit(1);
        };
        throw new InvalidOperationException("This claim does not hold: " + sentence);
    }

    /// <summary>The largest difference of two lists of equal length.</summary>
    public static double Distance(IReadOnlyList<float> a, IReadOnlyList<float> b) => a.Count != b.Count
        ? double.PositiveInfinity
        : a.Zip(b, (x, y) => Math.Abs((double)x - y)).DefaultIfEmpty().Max();

    /// <summary>The demo's directory of models and data in the repository, wherever the program was started.</summary>
    public static string Demo { get; } = Path.GetFullPath(Path.Combine(Here(), "..", "..", "..", "src", "PeftCore.Cli", "Demo"));

    /// <summary>The directory of the bundled language model: 3.2 million parameters in BF16, a Llama in small.</summary>
    public static string BaseModel { get; } = Path.Combine(Demo, "base-llama");

    private static string Here([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
