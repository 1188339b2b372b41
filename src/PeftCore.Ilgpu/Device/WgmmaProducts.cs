using System.Diagnostics;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu;

/// <summary>Products on Hopper's tensor cores: their kernels, one for each shape met, and the memory where pieces of tiles are added up.</summary>
internal sealed unsafe class WgmmaProducts(WgmmaKernels kernels, IDeviceMemory memory, int processors) : IDisposable
{
    private const int FlagBytes = 8 * 1024; // two for each group

    private readonly Dictionary<ProductShape, nint> _functions = [];
    private readonly Lock _lock = new();
    private string? _sharingRows, _sharingDepth;
    private nint _flags, _parts;

    /// <summary>Bytes for pieces of tiles: what the largest plan on this card needs, so that they are taken once and known before.</summary>
    public long PartBytes { get; } = TensorPlan.MostPartBytes(processors);

    /// <summary>Bytes taken so far: none before the first product.</summary>
    public long TakenBytes => _parts == 0 ? 0 : PartBytes;

    /// <summary>Queues a product. Nothing is allocated or waited for once its shape has been met.</summary>
    /// <param name="plan">How it runs.</param>
    /// <param name="args">All but what the plan says.</param>
    /// <param name="maps">Tensor maps of operands and results, at a multiple of 64 bytes.</param>
    public void Run(in TensorPlan plan, WgmmaArgs args, byte* maps)
    {
        nint function = Load(plan.Shape);
        Reserve();
        (args.TileN, args.Stages, args.Cluster) = (plan.Shape.TileN, plan.Shape.Stages, plan.Shape.Groups);
        args.Clusters = plan.Clusters;
        (args.TilesM, args.TilesN, args.Shared, args.Band) = (plan.TilesM, plan.TilesN, plan.Shared, 16 / plan.Shape.Cluster);
        (args.Parts, args.Flags) = (_parts, _flags);
        nint* parameters = stackalloc nint[2];
        (parameters[0], parameters[1]) = ((nint)(&args), (nint)maps);
        kernels.LaunchEarly(function, plan.Groups, ProductShape.Threads, plan.Shape.SharedBytes, parameters);
    }

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in ProductShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                long start = Stopwatch.GetTimestamp();
                string compiled = shape.Split > 1 ? _sharingDepth ??= Compile<ShareDepth>() : _sharingRows ??= Compile<ShareRows>();
                function = kernels.Load(new ProductPtx(shape).Expand(compiled), shape.SharedBytes, start);
                _functions.Add(shape, function);
            }
            return function;
        }
    }

    public void Dispose()
    {
        foreach (var (address, bytes) in new[] { (_flags, FlagBytes), (_parts, PartBytes) })
        {
            if (address != 0)
            {
                memory.Return(address, bytes);
            }
        }
    }

    private string Compile<TShare>() where TShare : struct, IClusterShare => kernels.Compile<WgmmaProduct<TShare>, WgmmaArgs>(ProductShape.Threads, 1);

    // Flags are zero between launches: whoever reads a part takes its flag back.
    private void Reserve()
    {
        if (_parts == 0)
        {
            _flags = memory.Take(FlagBytes);
            memory.Fill(_flags, 0, FlagBytes);
            _parts = memory.Take(PartBytes);
        }
    }
}
