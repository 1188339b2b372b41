namespace PeftCore.Optim;

/// <summary>How the learning rate falls after its warm-up.</summary>
public enum ScheduleKind
{
    /// <summary>Straight down to zero at the last step.</summary>
    Linear,

    /// <summary>Half a cosine down to zero at the last step.</summary>
    Cosine,

    /// <summary>Not at all.</summary>
    Constant,
}

/// <summary>The learning rate of every step, as transformers' get_scheduler computes it: it rises from zero to the peak over the warm-up,
/// which makes the very first step of a warm-up a step of size zero, and then follows its kind.</summary>
/// <param name="Kind">How it falls.</param>
/// <param name="Peak">The learning rate after the warm-up.</param>
/// <param name="TotalSteps">Steps of the whole run.</param>
/// <param name="WarmupSteps">Steps of the warm-up. With a constant schedule this is transformers' "constant_with_warmup".</param>
public sealed record LearningRateSchedule(ScheduleKind Kind, double Peak, int TotalSteps, int WarmupSteps = 0)
{
    /// <summary>Learning rate of a step; steps count from zero.</summary>
    public double At(int step) => Peak * Factor(step);

    /// <summary>Steps of a warm-up given as a share of the run, rounded up as transformers does.</summary>
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
