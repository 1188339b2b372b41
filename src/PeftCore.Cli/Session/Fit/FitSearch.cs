using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Training;

namespace PeftCore.Cli.Session.Fit;

/// <summary>Finds settings with which a step keeps the memory limit, by planning it. Of every choice of dtype, storage of the base and
/// gradient checkpointing, the batch is the smallest one within 2 % of the fastest, but the default if that fits and is as fast. Sequences
/// are halved only if nothing fits at the longer length. Where weights are kept off the device follows from the plan.</summary>
internal sealed class FitSearch
{
    /// <summary>A larger batch must be predicted to be faster by this share.</summary>
    public const double LeastGain = 0.02;

    private readonly ModelSource _source;
    private readonly Dictionary<(FitChoice, int, int), MemoryPlan?> _plans = [];
    private readonly Dictionary<FitChoice, string> _reasons = [];

    /// <param name="source">The model, the settings that the user gave, and a limit of the device.</param>
    /// <exception cref="BadInputException">The settings that the user gave contradict each other.</exception>
    public FitSearch(ModelSource source)
    {
        _source = source with { Warn = null };
        Axes = new FitAxes(source);
        if (LongestThatFits() is { } length)
        {
            var all = Axes.Choices.Select(choice => BestOf(choice, length)).OfType<FitProposal>().ToList();
            Proposals = [.. all.Where((one, i) => !all.Take(i).Any(one.RunsAs)).OrderByDescending(one => one.Score)];
        }
        else if (_reasons.Count == Axes.Choices.Count)
        {
            throw new BadInputException(_reasons[Axes.Choices[0]]);
        }
    }

    public FitAxes Axes { get; }

    /// <summary>What keeps the limit, in the order of preference.</summary>
    public IReadOnlyList<FitProposal> Proposals { get; } = [];

    /// <summary>Choices that the method or the model refuses, with the reason.</summary>
    public IEnumerable<(string Flags, string Why)> LeftOut => Axes.Choices.Where(_reasons.ContainsKey).Select(choice =>
        (Axes.FlagsOf(choice), _reasons[choice]));

    /// <summary>The sentence that refuses the search if nothing fits. It names the nearest limit with which something does.</summary>
    public string Refusal()
    {
        (TrainOptions Options, MemoryPlan Plan)? nearest = null;
        var planned = _plans.Where(tried => tried.Value is not null).OrderBy(tried => tried.Value!.PeakBytes);
        foreach (var ((choice, length, batch), plan) in planned)
        {
            // A limit is at least the peak, so that the others cannot be nearer.
            if (nearest is { } found && plan!.PeakBytes >= found.Plan.NearestLimit)
            {
                break;
            }
            if (nearest is null || plan!.NearestLimit < nearest.Value.Plan.NearestLimit)
            {
                nearest = (Axes.OptionsOf(choice, length, batch), plan!);
            }
        }
        var (options, best) = nearest!.Value;
        string host = options.HostLimit is { } most and < long.MaxValue ? $" and {new ByteSize(most)} of the host" : "";
        return $"nothing that --fit may choose keeps within {options.MaxMemory} of {options.Device}{host}; the nearest limit that can be " +
            $"kept is {MemoryRefusal.LimitOf(best, options, OwnBytes.Of(options))}, with {Axes.FlagsOf(options with { Limits = null })}";
    }

    /// <summary>The longest length at which something fits; null if nothing does at the shortest.</summary>
    private int? LongestThatFits()
    {
        var lengths = Axes.Lengths;
        if (AnyFits(lengths[0]))
        {
            return lengths[0];
        }
        if (!AnyFits(lengths[^1]))
        {
            return null;
        }
        // A shorter sequence needs no more memory, so the first length that fits is found by bisection.
        int low = 1, high = lengths.Count - 1;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = AnyFits(lengths[middle]) ? (low, middle) : (middle + 1, high);
        }
        return lengths[high];
    }

    // The last choices need the least memory.
    private bool AnyFits(int length) => Axes.Choices.Reverse().Any(choice =>
        Fits(PlanOf(choice, length, Axes.LeastBatch), choice.Options));

    private FitProposal? BestOf(FitChoice choice, int length)
    {
        var tried = new List<FitProposal>();
        for (int batch = Axes.LeastBatch; batch <= FitAxes.MostSamples || tried.Count == 0; batch *= 2)
        {
            var options = Axes.OptionsOf(choice, length, batch);
            if (PlanOf(choice, length, batch) is not { } plan || !Fits(plan, options))
            {
                break;
            }
            tried.Add(new FitProposal(options, choice.Storage, length, plan, StepCost.Of(plan, options, length, choice.Storage)));
            if (!Axes.FindsBatch || (batch >= Usual && tried[^1].Cost.Doubled().TokensPerSecond * (1 - LeastGain) < Fastest(tried)))
            {
                break;
            }
        }
        if (tried.Count == 0)
        {
            return null;
        }
        var fast = tried.Where(one => one.Cost.TokensPerSecond >= Fastest(tried) * (1 - LeastGain)).ToList();
        return fast.LastOrDefault(one => one.Options.BatchSize <= Usual) ?? fast[0];
    }

    private static int Usual { get; } = TrainOptions.Rows.NewOptions().BatchSize;

    private static double Fastest(List<FitProposal> tried) => tried.Max(one => one.Cost.TokensPerSecond);

    private static bool Fits(MemoryPlan? plan, TrainOptions options) => plan is not null
        && MemoryRefusal.Fits(plan, options, OwnBytes.Of(options));

    /// <summary>The plan of a step; null if the method or the model refuses these settings.</summary>
    private MemoryPlan? PlanOf(FitChoice choice, int length, int batch)
    {
        if (_reasons.ContainsKey(choice))
        {
            return null;
        }
        if (!_plans.TryGetValue((choice, length, batch), out var plan))
        {
            try
            {
                var options = Axes.OptionsOf(choice, length, batch);
                plan = (_source with { Options = options }).Plan(OwnBytes.Of(options));
            }
            catch (BadInputException e)
            {
                // A larger batch may be more than a plan can hold; the smallest one says whether the choice is refused.
                if (batch == Axes.LeastBatch)
                {
                    _reasons.Add(choice, e.Message);
                }
            }
            _plans.Add((choice, length, batch), plan);
        }
        return plan;
    }
}
