using System.Diagnostics;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu;

/// <summary>Products on Hopper's tensor cores: their kernels, one for each shape met, and the memory of stream-K's partial sums.</summary>
internal sealed unsafe class WgmmaGemms(WgmmaKernels kernels, IDeviceMemory memory, int processors) : IDisposable
{
    private const int FlagBytes = 8 * 1024; // two for each thread block

    private readonly Dictionary<GemmShape, nint> _functions = [];
    private readonly Lock _lock = new();
    private string? _multicastB, _splitK;
    private nint _flags, _partials;

    /// <summary>Bytes of partial sums: what the largest schedule on this card needs, so that they are taken once and known
    /// before.</summary>
    public long PartialBytes { get; } = GemmSchedule.MaxPartialBytes(processors);

    /// <summary>Bytes taken so far: none before the first product.</summary>
    public long TakenBytes => _partials == 0 ? 0 : PartialBytes;

    /// <summary>Queues a product. Nothing is allocated or waited for once its shape has been met.</summary>
    /// <param name="schedule">How it runs.</param>
    /// <param name="args">All but what the schedule says.</param>
    /// <param name="maps">Tensor maps of operands and results, at a multiple of 64 bytes.</param>
    public void Run(in GemmSchedule schedule, WgmmaArgs args, byte* maps)
    {
        nint function = Load(schedule.Shape);
        Reserve();
        (args.TileN, args.Stages, args.Cluster) = (schedule.Shape.TileN, schedule.Shape.Stages, schedule.Shape.BlocksPerCluster);
        args.Clusters = schedule.Clusters;
        (args.TilesM, args.TilesN, args.StreamKTiles, args.Band) = (schedule.TilesM, schedule.TilesN, schedule.StreamKTiles, 16 /
            schedule.Shape.Cluster);
        (args.Partials, args.Flags) = (_partials, _flags);
        nint* parameters = stackalloc nint[2];
        (parameters[0], parameters[1]) = ((nint)(&args), (nint)maps);
        kernels.LaunchEarly(function, schedule.Blocks, GemmShape.Threads, schedule.Shape.SharedBytes, parameters);
    }

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in GemmShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                long start = Stopwatch.GetTimestamp();
                string compiled = shape.SplitK > 1 ? _splitK ??= Compile<SplitKCluster>() : _multicastB ??= Compile<MulticastB>();
                function = kernels.Load(new GemmPtx(shape).Expand(compiled), shape.SharedBytes, start);
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
        kernels.Compile<WgmmaGemm<TMode>, WgmmaArgs>(GemmShape.Threads, 1);

    // Flags are zero between launches: whoever adds a partial sum clears its flag.
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
