using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Training;

public sealed partial class MemoryPlan
{
    /// <summary>Plans passes without training, such as generation or evaluation.</summary>
    /// <param name="build">Builds the model on a backend, by the same code as for a real run.</param>
    /// <param name="run">Runs the largest passes.</param>
    /// <param name="activations">The planned device's dtype of activations.</param>
    /// <param name="packWeights">Whether the planned device is a <see cref="CpuBackend"/> that keeps frozen weights packed.</param>
    /// <param name="memoryLimit">The most bytes that the device's arena may reserve; see <see cref="Of(Func{Backend, PeftModel}, int, int,
    /// TrainerOptions?, DType, bool, long, long, int, bool, long?, bool)"/>.</param>
    /// <param name="chunkBytes">Bytes of a chunk of the device's arena.</param>
    /// <param name="tensorCores">Whether the planned device multiplies BF16 activations on tensor cores.</param>
    /// <param name="hostLimit">The most bytes of host memory that may hold frozen matrices of blocks which do not fit within
    /// <paramref name="memoryLimit"/>; null to keep all on the device.</param>
    /// <param name="keepOnDisk">Whether matrices that do not fit stay in the weight file instead, on a device that computes in host
    /// memory.</param>
    public static MemoryPlan OfPasses(Func<Backend, PeftModel> build, Action<PeftModel, Backend> run, DType activations = DType.F32,
        bool packWeights = false, long memoryLimit = long.MaxValue, long chunkBytes = Arena.DefaultChunk, bool tensorCores = true,
        long? hostLimit = null, bool keepOnDisk = false)
    {
        ArgumentNullException.ThrowIfNull(build);
        ArgumentNullException.ThrowIfNull(run);
        var device = new PlannedDevice(activations, packWeights, memoryLimit, chunkBytes, tensorCores, hostLimit, keepOnDisk);
        return new OffloadSearch((limited, placement) => Measure(build, run, limited, placement), device).Run();
    }

    private static PeftModel Built(Func<Backend, PeftModel> build, Backend backend) =>
        Given.Result(build(backend), "the function that builds the planned model");

    private static IReadOnlyList<(string Path, long Bytes, string Place)> PlacesOf(OffloadPlacement? placement) => placement is null ? []
        : [.. placement.Blocks.Select(block => (block.Path, block.Bytes,
            !block.IsOffloaded ? "device" : placement.Place == OffloadPlace.Host ? "host" : "disk"))];

    private static MemoryPlan Measure(Func<Backend, PeftModel> build, Action<PeftModel, Backend> run, PlannedDevice device,
        OffloadPlacement? placement)
    {
        using var backend = device.NewBackend(placement);
        using var scope = new TensorScope();
        var model = Built(build, backend);
        long loading = backend.Memory.PeakBytes, standing = backend.Memory.CurrentBytes;
        run(model, backend); // The first passes also allocate what later ones reuse, such as tables of positions, and fill the slots.
        backend.Memory.ResetPeak();
        double flops = backend.Flops;
        long streamed = backend.UploadedBytes;
        run(model, backend);
        placement ??= device.Offloads ? OffloadedBlocks.Of(model.Base, device.Place) : null;
        return new MemoryPlan
        {
            Placement = placement,
            Blocks = PlacesOf(placement),
            HostBytes = backend.Copies.Host.PeakBytes,
            StreamedBytes = backend.UploadedBytes - streamed,
            PeakBytes = Math.Max(loading, backend.Memory.PeakBytes),
            LoadingPeakBytes = loading,
            ReservedBytes = backend.PeakReservedBytes,
            StandingBytes = standing,
            AtPeak = new MemoryPeak(backend.Memory).Kinds,
            ForwardFlops = backend.Flops - flops,
            Parameters = model.ParameterCount,
        };
    }
}
