namespace PeftCore.Cli;

/// <summary>A verb ran and failed: what it computed cannot be used. The message is one sentence, as for bad input; the exit code is
/// another.</summary>
internal sealed class RunFailedException(string message) : Exception(message)
{
    /// <summary>A number that a result needs.</summary>
    /// <param name="value">The number.</param>
    /// <param name="what">What it is, such as "the loss on data.jsonl".</param>
    /// <exception cref="RunFailedException">It is not finite.</exception>
    public static double Finite(double value, string what) => double.IsFinite(value) ? value
        : throw new RunFailedException(
        $"{Models.Generation.DamagedOutput.Sentence}; {what} is {(double.IsNaN(value) ? "NaN" : "infinite")}");
}
