using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The memory and the FLOPs of a run, measured by running its own code on the meta backend, which has no data: loading the model,
/// attaching adapters, allocating the optimizer, and a training step.</summary>
/// <example>
/// <code>
/// var plan = MemoryPlan.Of(backend =>
/// {
///     var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
///     model.AddPlannedAdapter(new LoraConfig { Rank = 8 });
///     return model;
/// }, batchSize: 4, length: 128);
/// Console.WriteLine($"peak {plan.PeakBytes:N0} bytes, in {plan.PeakPlace}; {plan.SavedBytes:N0} are saved for backward");
/// </code>
/// </example>
public sealed partial class MemoryPlan
{
    private Lazy<long>? _nearestLimit;
    private Lazy<StepTrace>? _trace;

    private MemoryPlan() { }

    /// <summary>Peak bytes of live tensors, the model included: the larger one of loading and of a step.</summary>
    public long PeakBytes { get; private init; }

    /// <summary>Peak bytes of live tensors before the first step: while the model is loaded, adapters are attached, and the optimizer is
    /// allocated.</summary>
    public long LoadingPeakBytes { get; private init; }

    /// <summary>The most bytes that the arena reserves from the system, while loading or in a step: whole chunks, including gaps.</summary>
    public long ReservedBytes { get; private set; }

    /// <summary>Bytes live between steps: weights, adapters, optimizer.</summary>
    public long StandingBytes { get; private init; }

    /// <summary>The bytes at the peak, by category.</summary>
    public IReadOnlyDictionary<MemoryKind, long> AtPeak { get; private init; } = new Dictionary<MemoryKind, long>();

    /// <summary>Path of the module that ran at the peak, after "backward" in the backward pass; "loading" if the peak is before the first
    /// step.</summary>
    public string PeakPlace { get; private init; } = "";

    /// <summary>Bytes saved for backward.</summary>
    public long SavedBytes { get; private init; }

    /// <summary>The saved tensors of each module, in the order the modules run. Shared memory is counted at the first.</summary>
    public IReadOnlyList<LayerPlan> Layers { get; private init; } = [];

    /// <summary>The planned step, op by op; null if the plan is not one of a step. Of more than two micro batches it has two. It is
    /// recorded by one more plan when it is read first, because recording takes longer than the step.</summary>
    public StepTrace? Trace => _trace?.Value;

    /// <summary>Floating-point operations of the forward passes of a step; a multiply-add counts two.</summary>
    public double ForwardFlops { get; private init; }

    /// <summary>Floating-point operations of the backward passes of a step, recomputation included.</summary>
    public double BackwardFlops { get; private init; }

    /// <summary>The blocks with frozen matrices: module path, bytes of the matrices, and where these are kept. That is "device"; "host" if
    /// they are copied from host memory to the device ahead of use; or "disk" if they are read in the memory map of the weight file. Empty
    /// if the plan was not asked to offload any.</summary>
    public IReadOnlyList<(string Path, long Bytes, string Place)> Blocks { get; private init; } = [];

    /// <summary>Peak bytes of host memory for offloaded weights and checkpoints.</summary>
    public long HostBytes { get; private init; }

    /// <summary>Bytes copied from the host to the device in a step.</summary>
    public long StreamedBytes { get; private init; }

    /// <summary>The nearest limit of the device that can be kept, beside its own buffers, if the plan exceeds a limit of the device or of
    /// the host and blocks may be offloaded; 0 otherwise. It is found by further plans when it is read.</summary>
    public long NearestLimit => _nearestLimit?.Value ?? 0;

    /// <summary>Has models that are loaded on a device next keep their weights where the plan does.</summary>
    public void ApplyTo(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        backend.Offload = Placement;
    }

    /// <summary>Where weights are kept; null if the plan was not asked to offload any.</summary>
    internal OffloadPlacement? Placement { get; private init; }

    /// <summary>Elements of all parameters.</summary>
    public long Parameters { get; private init; }

    /// <summary>Elements of the trained parameters.</summary>
    public long TrainableParameters { get; private init; }

    /// <summary>Plans a step.</summary>
    /// <param name="build">Builds the model on a backend, by the same code as for a real run; its active adapter is trained.</param>
    /// <param name="batchSize">Rows of a batch.</param>
    /// <param name="length">Tokens of a row.</param>
    /// <param name="options">The optimizer and the number of micro batches; null for the defaults.</param>
    /// <param name="activations">The planned device's dtype of activations.</param>
    /// <param name="packWeights">Whether the planned device is a <see cref="CpuBackend"/> that keeps frozen weights packed.</param>
    /// <param name="memoryLimit">The most bytes that the device's arena may reserve. Near its limit an arena takes smaller chunks; if the
    /// run fits only so, <see cref="ReservedBytes"/> is what it then takes. It is larger than the limit if the run does not fit.</param>
    /// <param name="chunkBytes">Bytes of a chunk of the device's arena.</param>
    /// <param name="targetLength">Tokens of a target of an encoder-decoder; 0 for <paramref name="length"/>.</param>
    /// <param name="tensorCores">Whether the planned device multiplies BF16 activations on tensor cores.</param>
    /// <param name="hostLimit">The most bytes of host memory that may hold frozen matrices of blocks, and checkpoints, which do not fit
    /// within <paramref name="memoryLimit"/>; null to keep all on the device.</param>
    /// <param name="keepOnDisk">Whether matrices that do not fit stay in the weight file instead, on a device that computes in host
    /// memory.</param>
    public static MemoryPlan Of(Func<Backend, PeftModel> build, int batchSize, int length, TrainerOptions? options = null,
        DType activations = DType.F32, bool packWeights = false, long memoryLimit = long.MaxValue, long chunkBytes = Arena.DefaultChunk,
        int targetLength = 0, bool tensorCores = true, long? hostLimit = null, bool keepOnDisk = false)
    {
        ArgumentNullException.ThrowIfNull(build);
        return Of(backend => new TrainableAdapter(Built(build, backend)), batchSize, length, options, activations, packWeights, memoryLimit,
            chunkBytes, targetLength, tensorCores, hostLimit, keepOnDisk);
    }

    internal static MemoryPlan Of(Func<Backend, ITrainable> build, int batchSize, int length, TrainerOptions? options = null,
        DType activations = DType.F32, bool packWeights = false, long memoryLimit = long.MaxValue, long chunkBytes = Arena.DefaultChunk,
        int targetLength = 0, bool tensorCores = true, long? hostLimit = null, bool keepOnDisk = false) =>
        // The second micro batch runs while the first one's gradients are live; a third needs no more than the second.
        Of(build, trainable => [.. Enumerable.Repeat(FullBatch(trainable.Model, batchSize, length, targetLength: targetLength),
            Math.Min(2, StepsOf(options)))],
            options, new PlannedDevice(activations, packWeights, memoryLimit, chunkBytes, tensorCores, hostLimit, keepOnDisk));

    private static int StepsOf(TrainerOptions? options)
    {
        int steps = options?.GradientAccumulationSteps ?? 1;
        return steps > 0 ? steps : throw new BadInputException($"gradient_accumulation_steps is {steps}, expected at least 1.");
    }

    /// <summary>Plans a step over given batches, such as the largest of a data set.</summary>
    /// <param name="build">Builds the model on a backend; its active adapter is trained.</param>
    /// <param name="microBatches">The batches of the step.</param>
    /// <param name="options">The optimizer; null for the defaults.</param>
    /// <param name="activations">The planned device's dtype of activations.</param>
    /// <param name="packWeights">Whether the planned device is a <see cref="CpuBackend"/> that keeps frozen weights packed.</param>
    /// <param name="memoryLimit">The most bytes that the device's arena may reserve; see the other overload.</param>
    /// <param name="chunkBytes">Bytes of a chunk of the device's arena.</param>
    /// <param name="tensorCores">Whether the planned device multiplies BF16 activations on tensor cores.</param>
    /// <param name="hostLimit">The most bytes of host memory that may hold frozen matrices of blocks, and checkpoints, which do not fit
    /// within <paramref name="memoryLimit"/>; null to keep all on the device.</param>
    /// <param name="keepOnDisk">Whether matrices that do not fit stay in the weight file instead, on a device that computes in host
    /// memory.</param>
    public static MemoryPlan Of(Func<Backend, PeftModel> build, IReadOnlyList<Batch> microBatches, TrainerOptions? options = null,
        DType activations = DType.F32, bool packWeights = false, long memoryLimit = long.MaxValue, long chunkBytes = Arena.DefaultChunk,
        bool tensorCores = true, long? hostLimit = null, bool keepOnDisk = false)
    {
        ArgumentNullException.ThrowIfNull(build);
        Given.Items(microBatches);
        return Of(backend => new TrainableAdapter(Built(build, backend)), _ => microBatches,
            (options ?? new()) with { GradientAccumulationSteps = microBatches.Count },
            new PlannedDevice(activations, packWeights, memoryLimit, chunkBytes, tensorCores, hostLimit, keepOnDisk));
    }

    private static MemoryPlan Of(Func<Backend, ITrainable> build, Func<ITrainable, IReadOnlyList<Batch>> microBatches,
        TrainerOptions? options, PlannedDevice device)
    {
        options ??= new TrainerOptions();
        return new OffloadSearch((limited, placement) => Measure(build, microBatches, options, limited, placement), device).Run();
    }

    private static MemoryPlan Measure(Func<Backend, ITrainable> build, Func<ITrainable, IReadOnlyList<Batch>> microBatches,
        TrainerOptions options, PlannedDevice device, OffloadPlacement? placement)
    {
        var plan = Prepare((backend, step, batches, loading) =>
        {
            backend.Memory.ResetPeak();
            var observer = new StepObserver(backend);
            step.PhaseObserver = observer.Watch;
            backend.Memory.Watcher = observer.Watch;
            step.Run(batches, options.LearningRate);
            (step.PhaseObserver, backend.Memory.Watcher) = (null, null);
            var kept = placement ?? (device.Offloads ? OffloadedBlocks.Of(step.Trainable.Model, device.Place) : null);
            var measured = observer.Plan(step.Trainable, options.GradientAccumulationSteps, batches.Count, loading, kept);
            if (device.Repeats)
            {
                Repeat(backend, () => step.Run(batches, options.LearningRate));
                measured.ReservedBytes = backend.PeakReservedBytes;
            }
            return measured;
        });
        plan._trace = new Lazy<StepTrace>(() => Prepare((_, step, batches, _) =>
            StepRecorder.Record(step, batches, options.LearningRate)));
        return plan;

        T Prepare<T>(Func<MetaBackend, TrainingStep, IReadOnlyList<Batch>, MemoryPeak, T> use)
        {
            using var backend = device.NewBackend(placement);
            using var scope = new TensorScope();
            var trainable = build(backend);
            using var optimizer = options.NewOptimizer(trainable);
            using var step = new TrainingStep(trainable, optimizer, options.MaxGradNorm);
            var loading = new MemoryPeak(backend.Memory);
            var batches = microBatches(trainable);
            if (device.PackWeights || placement is not null)
            {
                // The first step packs weights and fills slots while it runs; later ones start with all weights packed and the slots
                // filled.
                step.Run(batches, options.LearningRate);
            }
            return use(backend, step, batches, loading);
        }
    }

    /// <summary>Repeats a step until it begins with the blocks of memory that it ended with before.</summary>
    private static void Repeat(MetaBackend backend, Action step)
    {
        const int Most = 4;
        ulong before;
        int count = 0;
        do
        {
            before = backend.Arena.InUse;
            step();
        }
        while (backend.Arena.InUse != before && ++count < Most);
    }

    /// <summary>This plan, of a run that keeps no limit.</summary>
    /// <param name="nearest">Finds <see cref="NearestLimit"/>.</param>
    internal MemoryPlan Exceeding(Func<long> nearest)
    {
        var copy = (MemoryPlan)MemberwiseClone();
        copy._nearestLimit = new Lazy<long>(nearest);
        return copy;
    }

    /// <summary>Measures memory and FLOPs while the step runs.</summary>
    private sealed class StepObserver(MetaBackend backend)
    {
        private readonly long _standing = backend.Memory.CurrentBytes;
        private readonly double _flopsBefore = backend.Flops;
        private readonly long _streamedBefore = backend.UploadedBytes;
        private List<LayerPlan>? _layers;
        private string _peakPlace = "";
        private bool _backward;
        private double _forward;
        private double _both;

        public void Watch(StepPhase phase, Tape tape)
        {
            _backward = phase == StepPhase.Backward;
            if (_layers is null)
            {
                _layers = LayerPlan.Of(tape);
                _forward = backend.Flops - _flopsBefore;
            }
            else if (_both == 0)
            {
                _both = backend.Flops - _flopsBefore;
            }
        }

        public void Watch(MemoryEvent change)
        {
            if (change.NewPeak)
            {
                _peakPlace = (_backward ? "backward " : "") + TensorScope.Innermost?.Path;
            }
        }

        public MemoryPlan Plan(ITrainable trainable, int batches, int run, MemoryPeak loading, OffloadPlacement? placement)
        {
            var trains = trainable.Parameters.Select(p => p.Parameter).ToHashSet();
            var step = new MemoryPeak(backend.Memory);
            var larger = loading.Bytes > step.Bytes ? loading : step;
            long streamed = (backend.UploadedBytes - _streamedBefore) / run * batches;
            return new MemoryPlan
            {
                Placement = placement,
                Blocks = PlacesOf(placement),
                HostBytes = backend.Copies.Host.PeakBytes,
                StreamedBytes = streamed,
                PeakBytes = larger.Bytes,
                LoadingPeakBytes = loading.Bytes,
                ReservedBytes = backend.PeakReservedBytes,
                StandingBytes = _standing,
                AtPeak = larger.Kinds,
                PeakPlace = larger == loading ? "loading" : _peakPlace,
                SavedBytes = _layers!.Sum(layer => layer.SavedBytes),
                Layers = _layers!,
                ForwardFlops = _forward * batches,
                BackwardFlops = (_both - _forward) * batches,
                Parameters = trainable.Model.NamedParameters().Concat(trainable.Frozen).Select(p => p.Parameter).Concat(trains).Distinct()
                    .Sum(p => p.Shape.Count),
                TrainableParameters = trains.Sum(p => p.Shape.Count),
            };
        }
    }
}
