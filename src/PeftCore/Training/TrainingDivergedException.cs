namespace PeftCore.Training;

/// <summary>A loss or a gradient is NaN or infinite. The parameters are those from before the step.</summary>
public sealed class TrainingDivergedException : Exception
{
    internal TrainingDivergedException(int step, double loss, double gradientNorm, string? parameter)
        : base(Sentence(step, loss, gradientNorm, parameter))
    {
        (Step, Parameter) = (step, parameter);
    }

    internal TrainingDivergedException(int step, double evalLoss)
        : base($"the loss on the evaluation data became {Name(evalLoss)} after step {step}; the last checkpoint is intact; a lower " +
        "learning rate may help") =>
        Step = step;

    /// <summary>Number of the failed step, from 1.</summary>
    internal int Step { get; }

    /// <summary>Name of the first parameter whose gradient holds a NaN or an infinity; null if only the loss or the norm is not
    /// finite.</summary>
    internal string? Parameter { get; }

    private static string Sentence(int step, double loss, double norm, string? parameter)
    {
        string what = !double.IsFinite(loss) ? $"the loss became {Name(loss)}"
            : $"the loss is {loss:G5}, but the gradient's norm became {Name(norm)}";
        string where = parameter is null ? "" : $", first in the gradient of \"{parameter}\"";
        return $"training diverged at step {step}: {what}{where}; the step was not taken and the last checkpoint is intact; " +
            "a lower learning rate, a longer warm-up or gradient clipping may help";
    }

    private static string Name(double value) => double.IsNaN(value) ? "NaN" : double.IsFinite(value) ? $"{value:G5}" : "infinite";
}
