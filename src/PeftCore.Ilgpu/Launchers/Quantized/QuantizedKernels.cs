using PeftCore.Kernels.Ilgpu.Ampere.Quantized;

namespace PeftCore.Ilgpu;

/// <summary>The tensor-core and dequantising kernels of quantised weights, loaded once for each shape.</summary>
internal sealed unsafe class QuantizedKernels(PtxLoader loader)
{
    private readonly Dictionary<DequantizeShape, nint> _dequantize = [];
    private readonly Dictionary<StreamShape, nint> _stream = [];
    private readonly Lock _lock = new();

    /// <summary>Queues the dequantisation of a matrix.</summary>
    public void Run(in DequantizeShape shape, DequantizeArgs args)
    {
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        const int perBlock = DequantizeShape.Threads * DequantizeShape.GroupsPerThread;
        loader.Launch(Load(shape), (int)((args.Groups + perBlock - 1) / perBlock), 1, DequantizeShape.Threads, DequantizeShape.SharedBytes,
            parameters);
    }

    /// <summary>Queues a product of few rows.</summary>
    public void Run(in StreamShape shape, int blocks, StreamArgs args)
    {
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        if (shape.StartsEarly)
        {
            loader.LaunchEarly(Load(shape), blocks, StreamShape.Threads, shape.SharedBytes, parameters);
        }
        else
        {
            loader.Launch(Load(shape), blocks, 1, StreamShape.Threads, shape.SharedBytes, parameters);
        }
    }

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in DequantizeShape shape)
    {
        lock (_lock)
        {
            if (!_dequantize.TryGetValue(shape, out nint function))
            {
                string compiled = PtxLoader.Compile<DequantizeKernel, DequantizeArgs>(loader.Backend, DequantizeShape.Threads,
                    DequantizeShape.BlocksPerProcessor);
                function = loader.Load(new DequantizePtx(shape).Expand(compiled), DequantizeShape.SharedBytes);
                _dequantize.Add(shape, function);
            }
            return function;
        }
    }

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in StreamShape shape)
    {
        lock (_lock)
        {
            if (!_stream.TryGetValue(shape, out nint function))
            {
                string compiled = PtxLoader.Compile<StreamKernel, StreamArgs>(loader.Backend, StreamShape.Threads,
                    StreamShape.BlocksPerProcessor);
                function = loader.Load(new StreamPtx(shape).Expand(compiled), shape.SharedBytes);
                _stream.Add(shape, function);
            }
            return function;
        }
    }
}
