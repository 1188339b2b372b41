using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>What a plan needs to know of the device.</summary>
/// <param name="Activations">Dtype of activations.</param>
/// <param name="PackWeights">Whether frozen weights are kept packed.</param>
/// <param name="MemoryLimit">The most bytes that its arena may reserve.</param>
/// <param name="ChunkBytes">Bytes of a chunk of its arena.</param>
/// <param name="TensorCores">Whether it multiplies BF16 activations on tensor cores.</param>
/// <param name="HostLimit">The most bytes of host memory for what does not fit; null if nothing is kept on the host.</param>
/// <param name="KeepsOnDisk">Whether weights that do not fit stay in their file.</param>
/// <param name="Repeats">Whether the step is repeated until it finds the same blocks again. Its first run leaves blocks in other places
/// than it found, so that the second may need more chunks.</param>
internal readonly record struct PlannedDevice(DType Activations, bool PackWeights, long MemoryLimit, long ChunkBytes, bool TensorCores,
    long? HostLimit, bool KeepsOnDisk, bool Repeats = false)
{
    /// <summary>Whether weights may be kept off the device.</summary>
    public bool Offloads => HostLimit is not null || KeepsOnDisk;

    /// <summary>Where they are kept then.</summary>
    public OffloadPlace Place => KeepsOnDisk ? OffloadPlace.Disk : OffloadPlace.Host;

    /// <summary>A backend without data that stands for the device.</summary>
    /// <param name="placement">Where models that are loaded on it keep their weights.</param>
    public MetaBackend NewBackend(OffloadPlacement? placement) =>
        new(Activations, PackWeights, MemoryLimit, ChunkBytes, TensorCores) { Offload = placement };
}

/// <summary>Finds the smallest number of offloaded blocks with which a run keeps the limits, by planning it with several.</summary>
/// <param name="measure">Plans the run on a device, with a placement; null for all weights on the device.</param>
/// <param name="device">The device and its limits.</param>
internal sealed class OffloadSearch(Func<PlannedDevice, OffloadPlacement?, MemoryPlan> measure, PlannedDevice device)
{
    private const long Mebibyte = 1 << 20;

    // Plans with chunks of the usual size, which no limit changes, by placement; null is all weights on the device.
    private readonly Dictionary<(OffloadPlacement?, bool Repeats), MemoryPlan> _unlimited = [];

    /// <summary>The plan with the fewest offloaded blocks that keeps the limits; if none does, one that exceeds a limit and says which
    /// limit can be kept.</summary>
    public MemoryPlan Run()
    {
        var resident = Plan(null);
        if (!device.Offloads || (Fits(resident) && FitsHost(resident)))
        {
            return resident;
        }
        var blocks = resident.Placement!;
        // Two slots hold the matrices of two blocks, so that streaming fewer than three frees nothing.
        int least = device.KeepsOnDisk ? 1 : LayerStreamer.SlotCount + 1, most = blocks.Blocks.Count;
        if (most < least || Fits(resident))
        {
            return resident.Exceeding(() => NearestOf(resident, null));
        }
        var all = Plan(blocks.With(most));
        if (!Fits(all))
        {
            return FitsHost(all) ? all.Exceeding(() => NearestOf(all, all.Placement))
                : all.Exceeding(() => NearestWithinHost(blocks, least, all));
        }
        var best = Smallest(blocks, least, most, all);
        return FitsHost(best) ? best : best.Exceeding(() => NearestWithinHost(blocks, least, best));
    }

    private MemoryPlan Smallest(OffloadPlacement blocks, int low, int high, MemoryPlan best)
    {
        while (low < high)
        {
            int middle = (low + high) / 2;
            var tried = Plan(blocks.With(middle));
            if (Fits(tried))
            {
                (high, best) = (middle, tried);
            }
            else
            {
                low = middle + 1;
            }
        }
        return best;
    }

    /// <summary>The nearest limit of the device that the host's limit leaves.</summary>
    private long NearestWithinHost(OffloadPlacement blocks, int least, MemoryPlan exceeding)
    {
        for (int count = exceeding.Placement!.Offloaded.Count() - 1; count >= least; count--)
        {
            var tried = Plan(blocks.With(count));
            if (FitsHost(tried))
            {
                return NearestOf(tried, tried.Placement);
            }
        }
        return NearestOf(Plan(null), null);
    }

    /// <summary>The smallest limit, to a mebibyte, that a run with a placement keeps; near it an arena takes smaller chunks.</summary>
    private long NearestOf(MemoryPlan planned, OffloadPlacement? placement)
    {
        long low = planned.PeakBytes - 1, high = planned.ReservedBytes;
        while (high - low > Mebibyte)
        {
            long middle = low + (high - low) / 2;
            if (Within(middle, placement).ReservedBytes <= middle)
            {
                high = middle;
            }
            else
            {
                low = middle;
            }
        }
        return high;
    }

    private MemoryPlan Plan(OffloadPlacement? placement) => Within(device.MemoryLimit, placement);

    /// <summary>The plan of a run within a limit; near the limit that of smaller chunks, if the run fits only so.</summary>
    private MemoryPlan Within(long limit, OffloadPlacement? placement)
    {
        bool repeats = limit < long.MaxValue;
        if (!_unlimited.TryGetValue((placement, repeats), out var plan))
        {
            plan = measure(device with { MemoryLimit = long.MaxValue, Repeats = repeats }, placement);
            _unlimited.Add((placement, repeats), plan);
        }
        if (plan.ReservedBytes <= limit || plan.PeakBytes > limit)
        {
            return plan;
        }
        try
        {
            return measure(device with { MemoryLimit = limit, Repeats = repeats }, placement);
        }
        catch (InsufficientMemoryException)
        {
            return plan;
        }
    }

    private bool Fits(MemoryPlan tried) => tried.ReservedBytes <= device.MemoryLimit;

    private bool FitsHost(MemoryPlan tried) => tried.HostBytes <= (device.HostLimit ?? long.MaxValue);
}
