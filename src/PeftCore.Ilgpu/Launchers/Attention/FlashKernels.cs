using ILGPU;
using ILGPU.Backends.PTX;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu;

/// <summary>The kernels of <see cref="FlashLauncher"/>, one for each head dimension, loaded once.</summary>
internal sealed unsafe class FlashKernels(GpuDevice device)
{
    private readonly PtxLoader _loader = device.Ptx!;
    private readonly Dictionary<Type, nint> _functions = [];
    private readonly Lock _lock = new();

    /// <summary>The forward pass; kernels with <typeparamref name="TTerms"/> take biases, slopes, soft cap, sinks and dropout.</summary>
    public void Forward<TTerms>(in FlashGeometry tiles, in FlashArgs<RawView> args) where TTerms : struct, IFlashTerms
    {
        switch (tiles.Dim)
        {
            case 32: Run<FlashForward<Flash32, TTerms>>(tiles, args); break;
            case 64: Run<FlashForward<Flash64, TTerms>>(tiles, args); break;
            case 80: Run<FlashForward<Flash80, TTerms>>(tiles, args); break;
            case 96: Run<FlashForward<Flash96, TTerms>>(tiles, args); break;
            case 128: Run<FlashForward<Flash128, TTerms>>(tiles, args); break;
            default: Run<FlashForward<Flash256, TTerms>>(tiles, args); break;
        }
    }

    public void QueryGradient<TTerms>(in FlashGeometry tiles, in FlashArgs<RawView> args) where TTerms : struct, IFlashTerms
    {
        switch (tiles.Dim)
        {
            case 32: Run<FlashQueryGradient<Flash32, TTerms>>(tiles, args); break;
            case 64: Run<FlashQueryGradient<Flash64, TTerms>>(tiles, args); break;
            case 80: Run<FlashQueryGradient<Flash80, TTerms>>(tiles, args); break;
            case 96: Run<FlashQueryGradient<Flash96, TTerms>>(tiles, args); break;
            case 128: Run<FlashQueryGradient<Flash128, TTerms>>(tiles, args); break;
            default: Run<FlashQueryGradient<Flash256, TTerms>>(tiles, args); break;
        }
    }

    /// <summary>Gradients of keys and values. Tiles that keep one operand are those of the values' gradient alone.</summary>
    public void KeyGradient<TTerms>(in FlashGeometry tiles, in FlashArgs<RawView> args) where TTerms : struct, IFlashTerms
    {
        switch (tiles.Dim, tiles.Kept)
        {
            case (32, _): Run<FlashKeyGradient<Flash32, TTerms>>(tiles, args); break;
            case (64, _): Run<FlashKeyGradient<Flash64, TTerms>>(tiles, args); break;
            case (80, _): Run<FlashKeyGradient<Flash80, TTerms>>(tiles, args); break;
            case (96, _): Run<FlashKeyGradient<Flash96, TTerms>>(tiles, args); break;
            case (128, _): Run<FlashKeyGradient<Flash128, TTerms>>(tiles, args); break;
            case (_, 1): Run<FlashKeyGradient<Flash256Values, TTerms>>(tiles, args); break;
            default: Run<FlashKeyGradient<Flash256Keys, TTerms>>(tiles, args); break;
        }
    }

    /// <summary>PTX of an attention kernel for sm_90a.</summary>
    public static string Compile<TKernel, TArgs>(PTXBackend backend, in LaunchShape shape)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct => FlashPtx.Expand(PtxLoader.Compile<TKernel, TArgs>(backend, shape.Threads, shape.BlocksPerProcessor));

    // RawView looks in memory as ArrayView does in the kernel.
    private void Run<TKernel>(in FlashGeometry tiles, FlashArgs<RawView> args) where TKernel : struct, IKernel<FlashArgs<ArrayView<int>>>
    {
        var shape = LaunchShape.Attention(tiles);
        nint function = Load<TKernel>(shape);
        device.Timer?.Start();
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        _loader.Launch(function, Math.Min(args.WorkTiles, device.Processors), 1, shape.Threads, shape.SharedBytes, parameters);
        device.StopTiming(typeof(TKernel));
    }

    private nint Load<TKernel>(in LaunchShape shape) where TKernel : struct, IKernel<FlashArgs<ArrayView<int>>>
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(typeof(TKernel), out nint function))
            {
                function = _loader.Load(Compile<TKernel, FlashArgs<ArrayView<int>>>(_loader.Backend, shape), shape.SharedBytes);
                _functions.Add(typeof(TKernel), function);
            }
            return function;
        }
    }
}
