namespace PeftCore.Cli;

/// <summary>The exit code and the sentence of an exception that ends a verb.</summary>
/// <param name="ExitCode">The exit code.</param>
/// <param name="Sentence">What happened, in one sentence.</param>
internal readonly record struct Failure(int ExitCode, string Sentence)
{
    /// <param name="e">The exception.</param>
    /// <param name="verbose">Whether its stack trace is printed anyway.</param>
    public static Failure Of(Exception e, bool verbose) => e switch
    {
        BadInputException => new(Tool.BadInput, e.Message),
        RunFailedException or Training.TrainingDivergedException => new(Tool.Failed, e.Message),
        InsufficientMemoryException => new(Tool.Failed, $"not enough memory: {e.Message}"),
        OutOfMemoryException => new(Tool.Failed,
            "not enough memory: the system refused to give more; a smaller batch, shorter sequences or fewer beams need less"),
        // Sizes are multiplied with overflow checks.
        OverflowException => new(Tool.Failed, "not enough memory: a size is larger than what a tensor or an array can have; a smaller " +
            "batch, shorter sequences or fewer beams need less"),
        OperationCanceledException => new(Tool.Failed, "stopped"),
        // Files that a verb reads and writes have sentences of their own; these are those of directories and of files beside them.
        IOException or UnauthorizedAccessException => new(Tool.BadInput,
            $"{e.Message.TrimEnd('.', ' ')}; check that the path is right and may be used, or name another."),
        _ => new(Tool.Failed, $"{e.GetType().Name}: {e.Message}"
            + (verbose ? "" : "; this should not happen: run again with --verbose to see where")),
    };
}
