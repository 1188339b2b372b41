using PeftCore.Cli.Options;
using PeftCore.Training;

namespace PeftCore.Cli.Session.Fit;

/// <summary>One value of every setting that the user left open, but for batch and length.</summary>
/// <param name="Options">The settings of the run.</param>
/// <param name="Storage">How the base is stored.</param>
internal sealed record FitChoice(TrainOptions Options, BaseStorage Storage);

/// <summary>Settings that keep the limit.</summary>
/// <param name="Options">All settings of the run.</param>
/// <param name="Storage">How the base is stored.</param>
/// <param name="Length">Tokens of a sequence.</param>
/// <param name="Plan">The plan of a step.</param>
/// <param name="Cost">Its predicted time.</param>
internal sealed record FitProposal(TrainOptions Options, BaseStorage Storage, int Length, MemoryPlan Plan, StepCost Cost)
{
    /// <summary>Quantised weights change the loss, so a proposal with them comes before one without only if it is predicted to be faster
    /// by more than this share.</summary>
    public const double QuantizedPenalty = 0.05;

    /// <summary>Whether the base is quantised for the run.</summary>
    public bool IsQuantized => Storage != BaseStorage.AsStored;

    /// <summary>Proposals are ordered by this, highest first.</summary>
    public double Score => Cost.TokensPerSecond * (IsQuantized ? 1 - QuantizedPenalty : 1);

    /// <summary>Bytes of weights that stay in their file.</summary>
    public long DiskBytes => Plan.Blocks.Where(block => block.Place == "disk").Sum(block => block.Bytes);

    /// <summary>Whether another choice of settings runs the same step, such as storing a BF16 file as BF16.</summary>
    public bool RunsAs(FitProposal other) => Storage == other.Storage && Length == other.Length
        && Options.BatchSize == other.Options.BatchSize && Plan.PeakBytes == other.Plan.PeakBytes
        && Plan.ReservedBytes == other.Plan.ReservedBytes && Plan.SavedBytes == other.Plan.SavedBytes
        && Plan.HostBytes == other.Plan.HostBytes && DiskBytes == other.DiskBytes && Cost.Seconds.Equals(other.Cost.Seconds);
}
