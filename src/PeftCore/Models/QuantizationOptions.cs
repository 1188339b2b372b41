using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>How the frozen linear layers of a model are quantised while it is loaded, as bitsandbytes does it: NF4 and FP4 (Dettmers et al.
/// 2023, QLoRA) and INT8 (Dettmers et al. 2022, LLM.int8()). The output head, embeddings, norms, biases, convolutions and fused experts
/// stay as they are. A model that is stored quantised is read as it is; options that contradict its files are refused.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// var options = new QuantizationOptions { Type = "nf4", UseDoubleQuantization = true };
/// var model = new PeftModel(ModelLoader.Load(modelDirectory, backend, quantization: options));
/// model.AddAdapter(new LoraConfig { Rank = 8, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) });
/// </code>
/// </example>
public sealed record QuantizationOptions
{
    internal const string NF4 = "nf4", FP4 = "fp4", FourBit = "4bit", EightBit = "int8";

    internal const double UsualThreshold = 6;

    /// <summary>The codes: "nf4", "fp4" or "int8"; "4bit" is that of a model stored with four bits, and else nf4.</summary>
    public required string Type { get; init; }

    /// <summary>Four bits: whether the scales of blocks are quantised as well, which saves 0.37 bits a number; null for what the model is
    /// stored with, and else false.</summary>
    public bool? UseDoubleQuantization { get; init; }

    /// <summary>INT8: columns of a layer's input with a magnitude of at least this are multiplied without quantisation; 0 for none; null
    /// for what the model is stored with, and else 6.</summary>
    public double? Threshold { get; init; }

    /// <summary>More modules to leave as they are: paths, or the last names of paths, as transformers' llm_int8_skip_modules.</summary>
    public IReadOnlyList<string>? SkipModules { get; init; }

    /// <summary>What the weights of a model directory are quantised with, such as "bitsandbytes (4 bits, nf4)"; null for plain
    /// weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="weights">Its weights; null to look at the configuration alone.</param>
    /// <param name="isRead">Whether such weights are read.</param>
    public static string? NameOf(ConfigReader config, WeightSource? weights, out bool isRead) => Quantization.NameOf(config, weights,
        out isRead);

    internal bool IsFourBit => Type != EightBit;

    /// <summary>The format of a weight whose numbers have a dtype.</summary>
    internal QuantizedFormat FormatOf(DType numbers) => IsFourBit
        ? new QuantizedFormat(Type == FP4 ? QuantizedKind.FP4 : QuantizedKind.NF4, DoubleQuantized: UseDoubleQuantization ?? false,
            Numbers: numbers)
        : new QuantizedFormat(QuantizedKind.Int8, BlockSize: 0, Threshold: (float)(Threshold ?? UsualThreshold), Numbers: numbers);

    /// <exception cref="BadInputException">Options contradict each other.</exception>
    internal void Check()
    {
        if (Type is not (NF4 or FP4 or FourBit or EightBit))
        {
            throw new BadInputException($"quantisation type \"{Type}\" is unknown; choose {NF4}, {FP4} or {EightBit}.");
        }
        if (!IsFourBit && UseDoubleQuantization == true)
        {
            throw new BadInputException("double quantisation is about the scales of four bits, but the type is int8; leave it out.");
        }
        if (IsFourBit && Threshold is not null)
        {
            throw new BadInputException($"the threshold is about products of int8, but the type is {Type}; leave it out.");
        }
        if (Threshold is < 0 or double.NaN)
        {
            throw new BadInputException(FormattableString.Invariant($"the threshold is {Threshold}, expected a number of at least 0."));
        }
    }

    /// <summary>Refuses options that a weight's stored format contradicts.</summary>
    /// <param name="stored">The format.</param>
    /// <param name="place">The file.</param>
    /// <exception cref="BadInputException">They differ.</exception>
    internal void CheckStored(QuantizedFormat stored, string place)
    {
        string type = stored.Kind switch { QuantizedKind.NF4 => NF4, QuantizedKind.FP4 => FP4, _ => EightBit };
        string? difference = Type != type && (Type != FourBit || type == EightBit) ? $"{type}, but {Type} is asked for"
            : UseDoubleQuantization is { } doubled && doubled != stored.DoubleQuantized
                ? $"{type} {(stored.DoubleQuantized ? "with" : "without")} double quantisation, but the opposite is asked for"
            : Threshold is { } threshold && (float)threshold != stored.Threshold
                ? FormattableString.Invariant($"{type} with a threshold of {stored.Threshold}, but {threshold} is asked for")
            : SkipModules is not null ? $"{type}, so which modules are quantised is decided already" : null;
        if (difference is not null)
        {
            throw new BadInputException($"{place}: the weights are stored in {difference}; leave that out, or make a plain model with "
                + "peftcore convert --dequantize first.");
        }
    }
}
