using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The memory and the FLOPs of a run, measured by running its own code on the meta backend, which has no data: loading the model,
/// attaching adapters, allocating the optimizer, and a training step.</summary>
public sealed class MemoryPlan
{
    private const int MostTokens = 1 << 26;

    private MemoryPlan() { }

    /// <summary>Peak bytes of live tensors, the model included: the larger one of loading and of a step.</summary>
    public long PeakBytes { get; private init; }

    /// <summary>Peak bytes of live tensors before the first step: while the model is loaded, adapters are attached, and the optimizer is
    /// allocated.</summary>
    public long LoadingPeakBytes { get; private init; }

    /// <summary>The most bytes that the arena reserves from the system, while loading or in a step: whole chunks, including gaps.</summary>
    public long ReservedBytes { get; private init; }

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

    /// <summary>Floating-point operations of the forward passes of a step; a multiply-add counts two.</summary>
    public double ForwardFlops { get; private init; }

    /// <summary>Floating-point operations of the backward passes of a step, recomputation included.</summary>
    public double BackwardFlops { get; private init; }

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
    public static MemoryPlan Of(Func<Backend, PeftModel> build, int batchSize, int length, TrainerOptions? options = null,
        DType activations = DType.F32, bool packWeights = false, long memoryLimit = long.MaxValue, long chunkBytes = Arena.DefaultChunk,
        int targetLength = 0, bool tensorCores = true)
    {
        ArgumentNullException.ThrowIfNull(build);
        return Of(backend => new TrainableAdapter(build(backend)), batchSize, length, options, activations, packWeights, memoryLimit,
            chunkBytes, targetLength, tensorCores);
    }

    internal static MemoryPlan Of(Func<Backend, ITrainable> build, int batchSize, int length, TrainerOptions? options = null,
        DType activations = DType.F32, bool packWeights = false, long memoryLimit = long.MaxValue, long chunkBytes = Arena.DefaultChunk,
        int targetLength = 0, bool tensorCores = true) =>
        // The second micro batch runs while the first one's gradients are live; a third needs no more than the second.
        Of(build, trainable => [.. Enumerable.Repeat(FullBatch(trainable.Model, batchSize, length, targetLength: targetLength),
            Math.Min(2, StepsOf(options)))],
            options, new PlannedDevice(activations, packWeights, memoryLimit, chunkBytes, tensorCores));

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
    public static MemoryPlan Of(Func<Backend, PeftModel> build, IReadOnlyList<Batch> microBatches, TrainerOptions? options = null,
        DType activations = DType.F32, bool packWeights = false, long memoryLimit = long.MaxValue, long chunkBytes = Arena.DefaultChunk,
        bool tensorCores = true)
    {
        ArgumentNullException.ThrowIfNull(build);
        Given.Items(microBatches);
        return Of(backend => new TrainableAdapter(build(backend)), _ => microBatches,
            (options ?? new()) with { GradientAccumulationSteps = microBatches.Count },
            new PlannedDevice(activations, packWeights, memoryLimit, chunkBytes, tensorCores));
    }

    /// <summary>A batch without padding, in which everything has a target that can have one: the worst case of its size. Of masked language
    /// modelling 15 % of the tokens have one, as in training. Benchmarks run it too.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batchSize">Rows.</param>
    /// <param name="length">Tokens of a row.</param>
    /// <param name="seed">Seed of the tokens.</param>
    /// <param name="targetLength">Tokens of a target of an encoder-decoder; 0 for <paramref name="length"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1, or the batch has more than 67,108,864 tokens.</exception>
    public static Batch FullBatch(TransformerModel model, int batchSize, int length, ulong seed = 0, int targetLength = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(targetLength);
        if ((long)batchSize * ((long)length + targetLength) > MostTokens)
        {
            throw new ArgumentOutOfRangeException(nameof(batchSize), batchSize,
                $"a batch of {batchSize} rows of {length} tokens is more than the {MostTokens} tokens that are planned for");
        }
        var rows = new Example[batchSize];
        var sizes = model.InputsOf(length);
        int symbols = sizes.Symbols ?? model.VocabularySize;
        for (int row = 0; row < batchSize; row++)
        {
            int[] ids = Tokens(row, 0, sizes.Tokens);
            if (model.ClassifiedToken is { } end)
            {
                ids = [.. ids[1..].Select(id => id == end ? (id + 1) % model.VocabularySize : id), end]; // One in every row.
            }
            rows[row] = FullTargets.Of(model, row, ids, () =>
                Tokens(row, length, sizes.Targets ?? (targetLength > 0 ? targetLength : length))) with
            {
                Pixels = model.Task == ModelTask.NoisePrediction ? Noised(row, sizes.Pixels!.Value) : Numbers(row, sizes.Pixels),
                EncoderStates = Numbers(row, sizes.EncoderStates),
                Sound = Numbers(row, sizes.Sound),
                Classes = sizes.Classes is not { } classes ? null : classes.IsNumber ? new DenseValues([0], [1])
                    : Numbers(row, [classes.Columns]),
                Boxes = sizes.HasBoxes ? new int[4 * ids.Length] : null,
            };
        }
        // A loader puts similar texts side by side.
        return rows[0].Positive is null ? new Collator(padId: 0).Collate(rows)
            : new DataLoader(rows, new LoaderOptions { BatchSize = batchSize, PadId = 0 }).Epoch().First();

        int[] Tokens(int row, int first, int count) => [.. Enumerable.Range(first, count)
            .Select(i => (int)(Kernels.Philox.Next(seed, (ulong)row, (ulong)i).X % (uint)symbols))];

        NoisedPicture Noised(int row, Shape shape) => new(new DenseValues(Values(row, shape), shape), NoiseSchedule.StableDiffusion);

        DenseValues? Numbers(int row, Shape? shape) => shape is not { } extents ? null : new(Values(row, extents), extents);

        float[] Values(int row, Shape extents) => [.. Enumerable.Range(0, (int)extents.Count)
            .Select(i => Kernels.Philox.Next(seed, (ulong)row, (ulong)i).X / (float)uint.MaxValue)];
    }

    private static MemoryPlan Of(Func<Backend, ITrainable> build, Func<ITrainable, IReadOnlyList<Batch>> microBatches,
        TrainerOptions? options, PlannedDevice device)
    {
        options ??= new TrainerOptions();
        var plan = Measure(build, microBatches, options, device with { MemoryLimit = long.MaxValue });
        if (plan.ReservedBytes <= device.MemoryLimit || plan.PeakBytes > device.MemoryLimit)
        {
            return plan;
        }
        try
        {
            return Measure(build, microBatches, options, device);
        }
        catch (InsufficientMemoryException)
        {
            return plan;
        }
    }

    private static MemoryPlan Measure(Func<Backend, ITrainable> build, Func<ITrainable, IReadOnlyList<Batch>> microBatches,
        TrainerOptions options, PlannedDevice device)
    {
        using var backend = new MetaBackend(device.Activations, device.PackWeights, device.MemoryLimit, device.ChunkBytes,
            device.TensorCores);
        using var scope = new TensorScope();
        var trainable = build(backend);
        using var optimizer = options.NewOptimizer(trainable);
        using var step = new TrainingStep(trainable, optimizer, options.MaxGradNorm);
        var loading = new MemoryPeak(backend.Memory);
        if (device.PackWeights)
        {
            // The first step packs weights while it runs; later ones start with all weights packed.
            step.Run(microBatches(trainable), options.LearningRate);
        }
        backend.Memory.ResetPeak();
        var observer = new StepObserver(backend);
        step.PhaseObserver = observer.Watch;
        backend.Memory.Watcher = observer.Watch;
        step.Run(microBatches(trainable), options.LearningRate);
        backend.Memory.Watcher = null;
        return observer.Plan(trainable, options.GradientAccumulationSteps, loading);
    }

    /// <summary>What a plan needs to know of the device.</summary>
    private readonly record struct PlannedDevice(DType Activations, bool PackWeights, long MemoryLimit, long ChunkBytes,
        bool TensorCores);

    /// <summary>A peak of memory, by category.</summary>
    private sealed class MemoryPeak(MemoryLedger memory)
    {
        public long Bytes { get; } = memory.PeakBytes;

        public IReadOnlyDictionary<MemoryKind, long> Kinds { get; } =
            Enum.GetValues<MemoryKind>().ToDictionary(kind => kind, memory.AtPeak);
    }

    /// <summary>Measures memory and FLOPs while the step runs.</summary>
    private sealed class StepObserver(MetaBackend backend)
    {
        private readonly long _standing = backend.Memory.CurrentBytes;
        private readonly double _flopsBefore = backend.Flops;
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

        public MemoryPlan Plan(ITrainable trainable, int batches, MemoryPeak loading)
        {
            var trains = trainable.Parameters.Select(p => p.Parameter).ToHashSet();
            var step = new MemoryPeak(backend.Memory);
            var larger = loading.Bytes > step.Bytes ? loading : step;
            return new MemoryPlan
            {
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
                Parameters = trainable.Model.NamedParameters().Select(p => p.Parameter).Concat(trains).Distinct().Sum(p => p.Shape.Count),
                TrainableParameters = trains.Sum(p => p.Shape.Count),
            };
        }
    }
}
