using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu;

/// <summary>The kernels of <see cref="WgmmaGemmLauncher"/>, loaded once for each shape, and the workspace of stream-K's partial
/// sums.</summary>
internal sealed unsafe class WgmmaGemmKernels(PtxLoader loader, IDeviceMemory memory, int processors) : IDisposable
{
    private const int FlagBytes = 8 * 1024; // two for each thread block

    private readonly Dictionary<GemmShape, nint> _functions = [];
    private readonly Lock _lock = new();
    private string? _multicastB, _splitK, _patches;
    private nint _flags, _partials;

    /// <summary>Bytes of partial sums that the largest schedule on this card needs. They are taken once, and a plan can count them before
    /// the first product.</summary>
    public long PartialBytes { get; } = GemmSchedule.MaxPartialBytes(processors);

    /// <summary>Bytes of partial sums taken so far: 0 before the first product, then <see cref="PartialBytes"/>.</summary>
    public long TakenBytes => _partials == 0 ? 0 : PartialBytes;

    /// <summary>Queues a product. Nothing is allocated or waited for.</summary>
    /// <param name="function">The kernel of the schedule's shape: <see cref="Load"/>.</param>
    /// <param name="schedule">How it runs.</param>
    /// <param name="args">Everything that does not follow from the schedule.</param>
    /// <param name="maps">Tensor maps of operands and results, at a multiple of 64 bytes.</param>
    public void Run(nint function, in GemmSchedule schedule, WgmmaArgs args, byte* maps)
    {
        Reserve();
        (args.TileN, args.Stages, args.Cluster) = (schedule.Shape.TileN, schedule.Shape.Stages, schedule.Shape.BlocksPerCluster);
        args.Clusters = schedule.Clusters;
        (args.TilesM, args.TilesN, args.StreamKTiles) = (schedule.TilesM, schedule.TilesN, schedule.StreamKTiles);
        args.Band = 16 / schedule.Shape.Cluster;
        (args.Partials, args.Flags) = (_partials, _flags);
        nint* parameters = stackalloc nint[2];
        (parameters[0], parameters[1]) = ((nint)(&args), (nint)maps);
        loader.LaunchEarly(function, schedule.Blocks, GemmShape.Threads, schedule.Shape.SharedBytes, parameters);
    }

    /// <summary>Loads a kernel, or returns the loaded one.</summary>
    public nint Load(in GemmShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                string compiled = shape.GathersPatches ? _patches ??= Compile<PatchesOfA>()
                    : shape.SplitK > 1 ? _splitK ??= Compile<SplitKCluster>() : _multicastB ??= Compile<MulticastB>();
                function = loader.Load(new GemmPtx(shape).Expand(compiled), shape.SharedBytes);
                _functions.Add(shape, function);
            }
            return function;
        }
    }

    public void Dispose()
    {
        foreach (var (address, bytes) in new[] { (_flags, FlagBytes), (_partials, PartialBytes) })
        {
            if (address != 0)
            {
                memory.Return(address, bytes);
            }
        }
    }

    private string Compile<TMode>() where TMode : struct, IClusterMode =>
        PtxLoader.Compile<WgmmaGemm<TMode>, WgmmaArgs>(loader.Backend, GemmShape.Threads, 1);

    // Flags are zero between launches: the thread block that adds a partial sum clears its flag.
    private void Reserve()
    {
        if (_partials == 0)
        {
            _flags = memory.Take(FlagBytes);
            memory.Fill(_flags, 0, FlagBytes);
            _partials = memory.Take(PartialBytes);
        }
    }
}
