using System.Diagnostics;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Ampere;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Ilgpu;

/// <summary>A device with its memory and its compiled kernels. All work goes to one stream, in order.</summary>
internal sealed class GpuDevice : IDisposable
{
    private const int CounterBytes = 256;

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
        Capture = Stream is CudaStream stream ? new StreamCapture(stream.StreamPtr) : _launches;
        Memory = name.IsCuda ? new CudaMemory(Accelerator, Stream, memoryLimit) : new HostDeviceMemory(Accelerator, _launches, memoryLimit);
        Space = new AddressSpace(Accelerator);
        TensorCores = HasWgmma && !asAmpere ? new WgmmaKernels(_context, (CudaStream)Stream, Accelerator) : null;
        if (TensorCores is not null)
        {
            Counters = Memory.Take(CounterBytes);
            Memory.Fill(Counters, 0, CounterBytes);
        }
        WgmmaGemms = TensorCores is null ? null : new WgmmaGemms(TensorCores, Memory, Accelerator.NumMultiprocessors);
        SkinnyGemms = TensorCores is null ? null : new SkinnyGemms(TensorCores);
        MmaGemms = TensorCores is null && HasMma ? new MmaGemms(new WgmmaKernels(_context, (CudaStream)Stream, Accelerator)) : null;
    }

    public DeviceName Name { get; }

    public Accelerator Accelerator { get; }

    /// <summary>The stream that all work goes to.</summary>
    public AcceleratorStream Stream { get; }

    /// <summary>Takes work down to do it again.</summary>
    public IWorkCapture Capture { get; }

    public IDeviceMemory Memory { get; }

    /// <summary>Two numbers that are 0 between kernels: kernels that hand out their work as they go count in them.</summary>
    public nint Counters { get; }

    public AddressSpace Space { get; }

    /// <summary>Kernels for Hopper's tensor cores; null where there are none.</summary>
    public WgmmaKernels? TensorCores { get; }

    /// <summary>Products on Hopper's tensor cores; null where there are none.</summary>
    public WgmmaGemms? WgmmaGemms { get; }

    /// <summary>Products of tall matrices with skinny ones; null where the tensor cores are not Hopper's.</summary>
    public SkinnyGemms? SkinnyGemms { get; }

    /// <summary>Products on other cards' tensor cores; null on Hopper and where there are none.</summary>
    public MmaGemms? MmaGemms { get; }

    /// <summary>What times each launch; null for nothing.</summary>
    public LaunchTimer? Timer { get; set; }

    /// <summary>What the next launch must do at least, for its rate.</summary>
    public Work Work { get; set; }

    /// <summary>Threads in a thread block of kernels that take any number: 256 on a card. ILGPU's CPU accelerator has 16.</summary>
    public int BlockSize => Name.IsCuda ? Threads.Most : 16;

    /// <summary>How many kernels were compiled and loaded so far.</summary>
    public int LoadedKernels => _kernels.Count;

    /// <summary>How long that took.</summary>
    public TimeSpan LoadTime { get; private set; }

    /// <summary>A context for kernels. Never level O2: it moves loads from shared memory across the last barrier of a block, and makes a
    /// uniform branch of a switch on data that differs between threads.</summary>
    public static Context NewContext(bool cuda) => Context.Create(builder =>
    {
        builder.Optimize(OptimizationLevel.O1).EnableAlgorithms();
        _ = cuda ? builder.Cuda() : builder.CPU(CPUDevice.Default);
    });

    /// <summary>Runs a kernel with one thread for each of <paramref name="count"/> items.</summary>
    public void ForEach<TKernel, TArgs>(long count, TArgs args)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct =>
        Run<TKernel, TArgs>(checked((int)((count + BlockSize - 1) / BlockSize)), 1, args);

    /// <summary>Runs a kernel with so many thread blocks.</summary>
    public void Run<TKernel, TArgs>(int blocks, int splits, TArgs args)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        if (blocks > 0)
        {
            var kernel = Kernel<TKernel, TArgs>();
            Timer?.Start();
            if (Name.IsCuda)
            {
                kernel(Stream, new KernelConfig(blocks, splits, 1, BlockSize, 1, 1), args);
            }
            else
            {
                Do(kernel, new KernelConfig(blocks, splits, 1, BlockSize, 1, 1), args);
            }
            StopTiming(typeof(TKernel));
        }
    }

    /// <summary>Runs a kernel for Hopper's tensor cores.</summary>
    public void RunTensorCores<TKernel, TArgs, TRaw>(int blocks, int splits, in LaunchShape shape, in TRaw args)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
        where TRaw : unmanaged
    {
        TensorCores!.Load<TKernel, TArgs>(shape);
        Timer?.Start();
        TensorCores.Run<TKernel, TArgs, TRaw>(blocks, splits, shape, args);
        StopTiming(typeof(TKernel));
    }

    /// <summary>Runs a product on Hopper's tensor cores.</summary>
    public unsafe void RunWgmmaGemm(in GemmSchedule schedule, in WgmmaArgs args, byte* maps)
    {
        WgmmaGemms!.Load(schedule.Shape);
        Timer?.Start();
        WgmmaGemms.Run(schedule, args, maps);
        if (Timer is not null)
        {
            StopTiming($"product of {schedule.TilesM}×{schedule.TilesN} tiles of {schedule.Shape.TileN}, {args.Steps} deep");
        }
    }

    /// <summary>Runs products of tall matrices with skinny ones.</summary>
    public void RunSkinnyGemm(in SkinnyGemmSchedule schedule, in SkinnyGemmArgs args)
    {
        SkinnyGemms!.Load(schedule.Shape);
        Timer?.Start();
        SkinnyGemms.Run(schedule, args);
        if (Timer is not null)
        {
            StopTiming($"skinny products of {schedule.Strips} strips of {schedule.Shape.WarpColumns * SkinnyGemmShape.Columns}, " +
                $"{schedule.Runs} runs, {schedule.Shape.Tiles} tiles{(schedule.Shape.Right ? ", both sides" : "")}");
        }
    }

    /// <summary>Runs a product on the tensor cores of cards other than Hopper's.</summary>
    public void RunMma(in MmaShape shape, in SplitKSchedule schedule, in MmaArgs args)
    {
        MmaGemms!.Load(shape);
        Timer?.Start();
        MmaGemms.Run(shape, schedule, args);
        StopTiming(typeof(MmaGemm<MmaColumnMajorB>));
    }

    public void Dispose()
    {
        Accelerator.Synchronize();
        MmaGemms?.Dispose();
        WgmmaGemms?.Dispose();
        if (Counters != 0)
        {
            Memory.Return(Counters, CounterBytes);
        }
        Memory.Dispose();
        TensorCores?.Dispose();
        Stream.Dispose();
        Accelerator.Dispose();
        _context.Dispose();
    }

    // Apart, so that a launch on a card makes no closure.
    private void Do<TArgs>(Action<AcceleratorStream, KernelConfig, TArgs> kernel, KernelConfig config, TArgs args) =>
        _launches.Do(() => kernel(Stream, config, args));

    private void StopTiming(Type kernel)
    {
        if (Timer is not null)
        {
            StopTiming(KernelProfile.NameOf(kernel));
        }
    }

    private void StopTiming(string kernel)
    {
        Timer?.Stop(kernel, Work);
        Work = default;
    }

    // The typed delegate is kept: a launch through it allocates nothing.
    private Action<AcceleratorStream, KernelConfig, TArgs> Kernel<TKernel, TArgs>()
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        lock (_lock)
        {
            if (!_kernels.TryGetValue(typeof(TKernel), out var kernel))
            {
                var watch = Stopwatch.StartNew();
                kernel = Accelerator.LoadKernel<TArgs>(TKernel.Run);
                _kernels.Add(typeof(TKernel), kernel);
                LoadTime += watch.Elapsed;
            }
            return (Action<AcceleratorStream, KernelConfig, TArgs>)kernel;
        }
    }

    // wgmma belongs to compute capability 9.0 alone: sm_90a code runs on nothing newer.
    private bool HasWgmma => Accelerator is CudaAccelerator card && card.Architecture.Major == 9 && card.Architecture.Minor == 0;

    // BF16 products, ldmatrix and cp.async came with compute capability 8.0.
    private bool HasMma => Accelerator is CudaAccelerator card && card.Architecture.Major >= 8;

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
