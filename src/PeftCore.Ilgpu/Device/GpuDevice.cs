using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu;

/// <summary>A device with its memory and its compiled kernels. All work is queued on one stream, in order.</summary>
internal sealed class GpuDevice : IDisposable
{
    private readonly Context _context;
    private readonly Dictionary<Type, Delegate> _kernels = [];
    private readonly Lock _lock = new();
    private readonly LaunchCapture _launches = new();

    public GpuDevice(DeviceName name, bool asAmpere = false, long memoryLimit = long.MaxValue)
    {
        CudaDriver.Resolve();
        _context = NewContext(name.IsCuda);
        try
        {
            Accelerator = name.IsCuda ? OpenCard(name) : CPUDevice.Default.CreateAccelerator(_context);
        }
        catch
        {
            _context.Dispose();
            throw;
        }
        Name = name;
        // The default stream cannot be captured.
        Stream = Accelerator.CreateStream();
        var cuda = Stream as CudaStream; // null on ILGPU's CPU accelerator
        Capture = cuda is null ? _launches : new StreamCapture(cuda.StreamPtr);
        Memory = cuda is null ? new HostDeviceMemory(Accelerator, _launches, memoryLimit) : new CudaMemory(Accelerator, cuda, memoryLimit);
        Copies = cuda is null ? new HostCopyEngine(Accelerator, _launches) : new CudaCopyEngine(this, cuda);
        Space = new AddressSpace(Accelerator);
        HasWgmma = IsHopper && !asAmpere;
        HasMma = !HasWgmma && IsAmpereOrLater;
        Ptx = cuda is not null && (HasWgmma || HasMma) ? new PtxLoader(_context, cuda, Accelerator) : null;
    }

    public DeviceName Name { get; }

    public Accelerator Accelerator { get; }

    /// <summary>The stream of all work.</summary>
    public AcceleratorStream Stream { get; }

    /// <summary>Captures work so that it can run again.</summary>
    public IStreamCapture Capture { get; }

    public IDeviceMemory Memory { get; }

    public AddressSpace Space { get; }

    /// <summary>Copies beside the kernels.</summary>
    public CopyEngine Copies { get; }

    /// <summary>Whether Hopper's tensor cores are used (wgmma and the copy engine).</summary>
    public bool HasWgmma { get; }

    /// <summary>Whether other cards' tensor cores are used (mma.sync); never together with <see cref="HasWgmma"/>.</summary>
    public bool HasMma { get; }

    /// <summary>Loads tensor-core kernels; null without tensor cores.</summary>
    public PtxLoader? Ptx { get; }

    /// <summary>Times each launch while a profile runs; null otherwise.</summary>
    public LaunchTimer? Timer { get; set; }

    /// <summary>Lower bound of the work of the next launch, from which the profile computes its rate.</summary>
    public Work Work { get; set; }

    /// <summary>Threads of a thread block in kernels that accept any number: 256 on a card, 16 on ILGPU's CPU accelerator.</summary>
    public int BlockSize => Name.IsCuda ? Threads.Most : 16;

    /// <summary>Number of streaming multiprocessors, over which schedules distribute work.</summary>
    public int Processors => Accelerator.NumMultiprocessors;

    /// <summary>A context for kernels. Never level O2: it moves loads from shared memory across the last barrier of a block, and makes a
    /// uniform branch of a switch on data that differs between threads.</summary>
    public static Context NewContext(bool cuda) => Context.Create(builder =>
    {
        builder.Optimize(OptimizationLevel.O1).EnableAlgorithms();
        _ = cuda ? builder.Cuda() : builder.CPU(CPUDevice.Default);
    });

    /// <summary>Launches a kernel with one thread for each of <paramref name="count"/> items.</summary>
    public void ForEach<TKernel, TArgs>(long count, TArgs args)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct =>
        Run<TKernel, TArgs>((count + BlockSize - 1) / BlockSize, 1, args);

    /// <summary>Launches a kernel in a grid of <paramref name="blocks"/> × <paramref name="splits"/> thread blocks; nothing is launched for
    /// 0 blocks.</summary>
    /// <exception cref="NotSupportedException">A grid has fewer blocks: CUDA allows 2³¹ − 1.</exception>
    public void Run<TKernel, TArgs>(long blocks, int splits, TArgs args)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        if (blocks > int.MaxValue)
        {
            throw new NotSupportedException($"{KernelProfile.NameOf(typeof(TKernel))} would need {blocks} thread blocks, but a launch " +
                $"has at most {int.MaxValue}; use a smaller batch or shorter sequences");
        }
        if (blocks > 0)
        {
            var kernel = Kernel<TKernel, TArgs>();
            Timer?.Start();
            if (Name.IsCuda)
            {
                kernel(Stream, new KernelConfig((int)blocks, splits, 1, BlockSize, 1, 1), args);
            }
            else
            {
                Launch(kernel, new KernelConfig((int)blocks, splits, 1, BlockSize, 1, 1), args);
            }
            StopTiming(typeof(TKernel));
        }
    }

    /// <summary>Ends the timing of a launch, and clears <see cref="Work"/>.</summary>
    public void StopTiming(Type kernel)
    {
        if (Timer is not null)
        {
            StopTiming(KernelProfile.NameOf(kernel));
        }
    }

    /// <summary>Ends the timing of a launch under a name in the profile, and clears <see cref="Work"/>.</summary>
    public void StopTiming(string kernel)
    {
        Timer?.Stop(kernel, Work);
        Work = default;
    }

    public void Dispose()
    {
        Accelerator.Synchronize();
        Copies.Dispose();
        Memory.Dispose();
        Ptx?.Dispose();
        Stream.Dispose();
        Accelerator.Dispose();
        _context.Dispose();
    }

    // A method of its own, so that a launch on a card makes no closure.
    private void Launch<TArgs>(Action<AcceleratorStream, KernelConfig, TArgs> kernel, KernelConfig config, TArgs args) =>
        _launches.Launch(() => kernel(Stream, config, args));

    // The typed delegate is cached, so that a launch through it allocates nothing. All launchers share the cache: three of them use
    // SumPartials, for example, and the kernels of a generic op are known only when it is called.
    private Action<AcceleratorStream, KernelConfig, TArgs> Kernel<TKernel, TArgs>()
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        lock (_lock)
        {
            if (!_kernels.TryGetValue(typeof(TKernel), out var kernel))
            {
                kernel = Accelerator.LoadKernel<TArgs>(TKernel.Run);
                _kernels.Add(typeof(TKernel), kernel);
            }
            return (Action<AcceleratorStream, KernelConfig, TArgs>)kernel;
        }
    }

    // wgmma belongs to compute capability 9.0 alone: sm_90a code runs on nothing newer.
    private bool IsHopper => Accelerator is CudaAccelerator card && card.Architecture.Major == 9 && card.Architecture.Minor == 0;

    // BF16 products, ldmatrix and cp.async came with compute capability 8.0.
    private bool IsAmpereOrLater => Accelerator is CudaAccelerator card && card.Architecture.Major >= 8;

    private Accelerator OpenCard(DeviceName name)
    {
        CudaDevice[] cards = [.. _context.Devices.OfType<CudaDevice>()];
        if (cards.Length == 0)
        {
            throw new BadInputException(
                $"--device {name}: no CUDA device was found: either there is no NVIDIA card, or no driver that this process can load; " +
                $"--device {DeviceName.Cpu} runs the GPU's kernels without one");
        }
        return name.Number < cards.Length
            ? cards[name.Number].CreateAccelerator(_context)
            : throw new BadInputException($"--device {name}: there are {cards.Length} CUDA devices, numbered from 0");
    }
}
