namespace PeftCore.Cli;

/// <summary>A verb ran and its result cannot be used: exit code 1, unlike bad input's 2. The message is one sentence.</summary>
internal sealed class RunFailedException(string message) : Exception(message)
{
    /// <summary>Returns a number of the result; throws if it is not finite.</summary>
    /// <param name="value">The number.</param>
    /// <param name="what">Its name in the message, such as "the loss on data.jsonl".</param>
    /// <exception cref="RunFailedException">It is not finite.</exception>
    public static double Finite(double value, string what) => double.IsFinite(value) ? value
        : throw new RunFailedException(
        $"{Models.Generation.DamagedOutput.Sentence}; {what} is {(double.IsNaN(value) ? "NaN" : "infinite")}");
}
