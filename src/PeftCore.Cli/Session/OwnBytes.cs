using PeftCore.Cli.Options;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session;

/// <summary>What a device takes beside its arena, for plans without the device.</summary>
internal static class OwnBytes
{
    // Products on Hopper keep a tile of 128 × 256 partial sums for each multiprocessor: 17.3 MB on a card with 132 of them. This is as much
    // as a card with 192 takes.
    private const long OfTensorCores = 192L * 128 * 256 * sizeof(float);

    // Counters, flags and tables: as much as Backend.LimitMargin of a device with kernels leaves to them.
    private const long Small = 1 << 20;

    /// <summary>The bytes, or more, for the device of a run.</summary>
    public static long Of(TrainOptions options) => options.Device == "cpu" ? 0
        : Small + (options is { Device: "cuda", Dtype: DType.BF16 } ? OfTensorCores : 0);
}
