using PeftCore.Cli.Options;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session.Fit;

/// <summary>The settings that --fit chooses: batch, length, gradient checkpointing, dtype and quantisation, as far as the user did not give
/// them.</summary>
internal sealed class FitAxes
{
    /// <summary>The largest batch and the shortest length that are tried.</summary>
    public const int MostSamples = 1024, LeastLength = 32;

    private const string BatchSize = "batch-size", MaxLength = "max-seq-length", Checkpointing = "gradient-checkpointing", Dtype = "dtype",
        In8Bit = "load-in-8bit", In4Bit = "load-in-4bit", UseDouble = "bnb-4bit-use-double-quant", MaxMemory = "max-memory";

    private static readonly string[] Names = [BatchSize, MaxLength, Checkpointing, Dtype, In8Bit, In4Bit, UseDouble, MaxMemory];

    private static readonly TrainOptions Defaults = TrainOptions.Rows.NewOptions();

    private readonly TrainOptions _given;

    /// <param name="source">The model, and the settings that the user gave.</param>
    /// <exception cref="BadInputException">Settings about quantisation contradict each other.</exception>
    public FitAxes(ModelSource source)
    {
        _given = source.Options;
        // The length does not change what models of pictures and of recordings with CTC read.
        ReadsTokens = source.Declared().Task is not (ModelTask.ImageClassification or ModelTask.NoisePrediction or ModelTask.Ctc);
        Lengths = [source.Length()];
        while (ReadsTokens && IsOpen(MaxLength) && Lengths[^1] > LeastLength)
        {
            Lengths.Add(Math.Max(LeastLength, Lengths[^1] / 2));
        }
        Choices = [.. from dtype in IsOpen(Dtype) ? [DType.F32, DType.BF16] : new[] { _given.Dtype }
                      from storage in Storages(source)
                      from options in Recomputing(storage.Options with { Dtype = dtype })
                      select new FitChoice(options, storage.Storage)];
    }

    /// <summary>Whether the model reads tokens, rather than pictures or recordings of one size.</summary>
    public bool ReadsTokens { get; }

    /// <summary>The lengths to try, the longest first.</summary>
    public List<int> Lengths { get; }

    /// <summary>All choices but those of batch and length, the base as it is stored first.</summary>
    public IReadOnlyList<FitChoice> Choices { get; }

    /// <summary>Whether the batch is to be found.</summary>
    public bool FindsBatch => IsOpen(BatchSize);

    /// <summary>The smallest batch to try.</summary>
    public int LeastBatch => FindsBatch ? 1 : _given.BatchSize;

    /// <summary>The settings of a choice with a batch and a length.</summary>
    public TrainOptions OptionsOf(FitChoice choice, int length, int batch) => choice.Options with
    {
        BatchSize = batch,
        MaxSeqLength = ReadsTokens ? length : choice.Options.MaxSeqLength,
    };

    /// <summary>The flags that turn the settings that the user gave into those of a proposal.</summary>
    public string FlagsOf(TrainOptions proposed) => FlagsOf(proposed, Names);

    /// <summary>The flags that turn the settings that the user gave into those of a choice.</summary>
    public string FlagsOf(FitChoice choice) => FlagsOf(choice.Options, [Checkpointing, Dtype, In8Bit, In4Bit, UseDouble]);

    private string FlagsOf(TrainOptions proposed, string[] names) => string.Join(' ', names.Where(IsOpen)
        .Select(name => TrainOptions.Rows.All.Single(row => row.Name == name))
        .Where(row => row.Read(proposed) is { } value && (row.Name == BatchSize || value != row.Read(Defaults)))
        .Select(row => row.Read(proposed) is "true" ? $"--{row.Name}" : $"--{row.Name} {row.Read(proposed)}"));

    private bool IsOpen(string name) => _given.Given.PlaceOf(name) is null;

    private IEnumerable<TrainOptions> Recomputing(TrainOptions options)
    {
        if (!IsOpen(Checkpointing))
        {
            return [options];
        }
        var on = options with { GradientCheckpointing = true };
        return options.Device == "cpu" ? [options, on] : [options, on, on with { OffloadCheckpoints = true }];
    }

    /// <summary>How the base may be stored. A base that is stored quantised stays so.</summary>
    private IReadOnlyList<FitChoice> Storages(ModelSource source)
    {
        var given = _given.Quantization;
        if (QuantizationOptions.NameOf(source.OpenConfig(), null, out _) is not null)
        {
            return [new FitChoice(_given, BaseStorage.AsStored)];
        }
        QuantizationSettings[] all = [given, given with { LoadIn8Bit = true }, given with { LoadIn4Bit = true },
            given with { LoadIn4Bit = true, UseDoubleQuant = true }];
        FitChoice[] possible = [.. all.Where(settings => Keeps(settings, given) && IsConsistent(settings)).Distinct()
            .Select(settings => new FitChoice(_given with { Quantization = settings }, StorageOf(settings)))];
        if (possible.Length == 0)
        {
            given.ToOptions();
        }
        return possible;
    }

    private bool Keeps(QuantizationSettings settings, QuantizationSettings given) =>
        (IsOpen(In8Bit) || settings.LoadIn8Bit == given.LoadIn8Bit) && (IsOpen(In4Bit) || settings.LoadIn4Bit == given.LoadIn4Bit)
        && (IsOpen(UseDouble) || settings.UseDoubleQuant == given.UseDoubleQuant);

    private static bool IsConsistent(QuantizationSettings settings)
    {
        try
        {
            settings.ToOptions();
            return true;
        }
        catch (BadInputException)
        {
            return false;
        }
    }

    private static BaseStorage StorageOf(QuantizationSettings settings) => settings switch
    {
        { LoadIn8Bit: true } => BaseStorage.Int8,
        { LoadIn4Bit: true, UseDoubleQuant: true } => BaseStorage.FourBitDouble,
        { LoadIn4Bit: true } => BaseStorage.FourBit,
        _ => BaseStorage.AsStored,
    };
}
