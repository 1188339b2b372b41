using PeftCore.Cli.Options;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Session.Fit;

/// <summary>The predicted time of a training step. With FLOPs f, rows of tokens r, frozen bytes w that each of p passes reads (forward,
/// backward, and recomputation with gradient checkpointing), and the rates of the device,
/// <code>
/// compute = f / (Flops · r / (r + HalfRows)) + p·w / Memory + p·(bytes dequantised) / Dequantized
/// step    = max(compute, copied / Link) · 1.14     with weights or checkpoints on the host
///         = compute + p·(bytes on disk) / Disk      with weights in their file
/// </code>
/// </summary>
/// <param name="Flops">FLOPs of the step.</param>
/// <param name="Rows">Rows of products: tokens of a micro batch.</param>
/// <param name="Samples">Sequences of the step.</param>
/// <param name="Tokens">Tokens of the step.</param>
/// <param name="Read">Bytes of frozen weights that the step reads.</param>
/// <param name="Dequantized">Bytes that the step writes when it dequantises weights.</param>
/// <param name="Copied">Bytes copied from the host.</param>
/// <param name="FromDisk">Bytes read from the weight file.</param>
/// <param name="IsInt8">Whether products have INT8 weights.</param>
/// <param name="Rates">The device.</param>
internal sealed record StepCost(double Flops, double Rows, double Samples, double Tokens, double Read, double Dequantized, double Copied,
    double FromDisk, bool IsInt8, DeviceRates Rates)
{
    // Dequantised weights are BF16 on a card.
    private const double DequantizedBytes = 2;

    /// <summary>The cost of a planned step.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="options">The settings that were planned.</param>
    /// <param name="length">Tokens of a sequence.</param>
    /// <param name="storage">How the base is stored.</param>
    public static StepCost Of(MemoryPlan plan, TrainOptions options, int length, BaseStorage storage)
    {
        int micro = options.GradientAccumulationSteps;
        double passes = (options.GradientCheckpointing ? 3 : 2) * micro;
        double blocks = plan.Blocks.Sum(block => (double)block.Bytes);
        double frozen = Math.Max(blocks, plan.AtPeak.GetValueOrDefault(MemoryKind.Frozen));
        // Embeddings and the head, which stay as they are, are counted too, on the safe side.
        double quantized = storage == BaseStorage.AsStored ? 0 : plan.Parameters - plan.TrainableParameters;
        double samples = (double)options.BatchSize * micro;
        return new StepCost(plan.ForwardFlops + plan.BackwardFlops, (double)options.BatchSize * length, samples, samples * length,
            passes * frozen, passes * quantized * DequantizedBytes, plan.StreamedBytes,
            passes * plan.Blocks.Where(block => block.Place == "disk").Sum(block => (double)block.Bytes), storage == BaseStorage.Int8,
            DeviceRates.Of(options));
    }

    /// <summary>Seconds of the step.</summary>
    public double Seconds
    {
        get
        {
            double products = Flops / (Rates.Flops * Rows / (Rows + Rates.HalfRows)) * (IsInt8 ? Rates.Int8Factor : 1);
            double compute = products + Read / Rates.Memory + Dequantized / Rates.Dequantized + FromDisk / Rates.Disk;
            return Copied > 0 ? DeviceRates.StreamingFactor * Math.Max(compute, Copied / Rates.Link) : compute;
        }
    }

    public double TokensPerSecond => Tokens / Seconds;

    public double SamplesPerSecond => Samples / Seconds;

    /// <summary>The cost with twice the batch if no more weights leave the device for it: no plan of that batch is faster.</summary>
    public StepCost Doubled() => this with { Flops = 2 * Flops, Rows = 2 * Rows, Samples = 2 * Samples, Tokens = 2 * Tokens };
}
