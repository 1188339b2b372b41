namespace PeftCore.Optim;

/// <summary>Decay of the learning rate after the warm-up.</summary>
public enum ScheduleKind
{
    /// <summary>Linear decay to zero at the last step.</summary>
    Linear,

    /// <summary>Half a cosine, to zero at the last step.</summary>
    Cosine,

    /// <summary>No decay.</summary>
    Constant,
}

/// <summary>The learning rate of every step, as transformers' get_scheduler computes it: a linear warm-up from zero to the peak, so that
/// the first step has learning rate zero, then the decay.</summary>
/// <param name="Kind">The decay.</param>
/// <param name="Peak">The learning rate after the warm-up.</param>
/// <param name="TotalSteps">Number of steps of the run.</param>
/// <param name="WarmupSteps">Number of warm-up steps. With a constant schedule this is transformers' "constant_with_warmup".</param>
internal sealed record LearningRateSchedule(ScheduleKind Kind, double Peak, int TotalSteps, int WarmupSteps = 0)
{
    /// <summary>Learning rate of a step, from 0.</summary>
    public double At(int step) => Peak * Factor(step);

    /// <summary>Number of warm-up steps for a fraction of the run, rounded up as in transformers.</summary>
    public static int StepsOf(double ratio, int totalSteps) => (int)Math.Ceiling(totalSteps * ratio);

    private double Factor(int step)
    {
        if (step < WarmupSteps)
        {
            return (double)step / WarmupSteps;
        }
        double length = Math.Max(1, TotalSteps - WarmupSteps);
        return Kind switch
        {
            ScheduleKind.Linear => Math.Max(0, (TotalSteps - step) / length),
            ScheduleKind.Cosine => Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * ((step - WarmupSteps) / length)))),
            _ => 1,
        };
    }
}
