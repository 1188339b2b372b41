using System.CommandLine;
using PeftCore.Cli.Verbs;
using PeftCore.Models;

namespace PeftCore.Cli.Options;

/// <summary>How the linear layers of the base are quantised while it is loaded, with transformers' names (BitsAndBytesConfig).</summary>
internal sealed record QuantizationSettings
{
    public const string In4BitHelp = "quantise linear layers to four bits while the base is loaded",
        In8BitHelp = "quantise linear layers to INT8 while the base is loaded", TypeHelp = "with --load-in-4bit: the codes",
        DoubleHelp = "with --load-in-4bit: quantise the scales of blocks as well",
        ThresholdHelp = "with --load-in-8bit: columns of a layer's input that reach this magnitude are multiplied without quantisation",
        SkipHelp = "with either: more modules to leave as they are, beside the head";

    public const string TypeFallback = "nf4, or that of a base stored so", ThresholdFallback = "6, or that of a base stored so";

    public static readonly string[] Types = ["nf4", "fp4"];

    public bool? LoadIn4Bit { get; init; }

    public bool? LoadIn8Bit { get; init; }

    public string? Type { get; init; }

    public bool? UseDoubleQuant { get; init; }

    public double? Threshold { get; init; }

    public string? SkipModules { get; init; }

    /// <summary>The library's options; null without quantisation.</summary>
    /// <exception cref="BadInputException">Settings contradict each other.</exception>
    public QuantizationOptions? ToOptions()
    {
        bool four = LoadIn4Bit == true, eight = LoadIn8Bit == true;
        if (four && eight)
        {
            throw new BadInputException("--load-in-4bit and --load-in-8bit contradict each other; give one of them.");
        }
        Require(four, Type is not null, "--bnb-4bit-quant-type", "--load-in-4bit");
        Require(four, UseDoubleQuant is not null, "--bnb-4bit-use-double-quant", "--load-in-4bit");
        Require(eight, Threshold is not null, "--llm-int8-threshold", "--load-in-8bit");
        Require(four || eight, SkipModules is not null, "--llm-int8-skip-modules", "--load-in-4bit or --load-in-8bit");
        return !four && !eight ? null : new QuantizationOptions
        {
            Type = eight ? "int8" : Type ?? "4bit",
            UseDoubleQuantization = UseDoubleQuant,
            Threshold = Threshold,
            SkipModules = SkipModules?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
        };
    }

    private static void Require(bool isOn, bool isGiven, string flag, string needed)
    {
        if (isGiven && !isOn)
        {
            throw new BadInputException($"{flag} is about quantising while loading: give {needed} as well, or leave it out.");
        }
    }
}

/// <summary>The settings of <see cref="QuantizationSettings"/>.</summary>
internal static class QuantizationRows
{
    /// <summary>Adds the settings about quantisation.</summary>
    public static SettingRows<T> Quantized<T>(this SettingRows<T> rows)
        where T : VerbOptions => rows
        .Group(HelpGroups.Device)
        .Bool("load-in-4bit", o => o.Quantization.LoadIn4Bit,
            (o, v) => o with { Quantization = o.Quantization with { LoadIn4Bit = v } }, QuantizationSettings.In4BitHelp)
        .Bool("load-in-8bit", o => o.Quantization.LoadIn8Bit,
            (o, v) => o with { Quantization = o.Quantization with { LoadIn8Bit = v } }, QuantizationSettings.In8BitHelp)
        .Text("bnb-4bit-quant-type", o => o.Quantization.Type, (o, v) => o with { Quantization = o.Quantization with { Type = v } },
            QuantizationSettings.TypeHelp, choices: QuantizationSettings.Types, fallback: QuantizationSettings.TypeFallback)
        .Bool("bnb-4bit-use-double-quant", o => o.Quantization.UseDoubleQuant,
            (o, v) => o with { Quantization = o.Quantization with { UseDoubleQuant = v } }, QuantizationSettings.DoubleHelp)
        .Number("llm-int8-threshold", o => o.Quantization.Threshold,
            (o, v) => o with { Quantization = o.Quantization with { Threshold = v } }, QuantizationSettings.ThresholdHelp, min: 0,
            fallback: QuantizationSettings.ThresholdFallback)
        .Text("llm-int8-skip-modules", o => o.Quantization.SkipModules,
            (o, v) => o with { Quantization = o.Quantization with { SkipModules = v } }, QuantizationSettings.SkipHelp, value: "a,b",
            isList: true);
}

/// <summary>The options of <see cref="QuantizationSettings"/>, for verbs without a settings file.</summary>
internal sealed class QuantizationFlags
{
    private readonly Option<bool> _four = new("--load-in-4bit") { Description = QuantizationSettings.In4BitHelp };
    private readonly Option<bool> _eight = new("--load-in-8bit") { Description = QuantizationSettings.In8BitHelp };
    private readonly Option<bool> _double = new("--bnb-4bit-use-double-quant") { Description = QuantizationSettings.DoubleHelp };
    private readonly Option<string?> _type;
    private readonly Option<double?> _threshold = new("--llm-int8-threshold")
    {
        Description = $"{QuantizationSettings.ThresholdHelp} [default: {QuantizationSettings.ThresholdFallback}]", HelpName = "N",
    };
    private readonly Option<string?> _skip = new("--llm-int8-skip-modules")
    {
        Description = QuantizationSettings.SkipHelp,
        HelpName = "a,b"
    };

    public QuantizationFlags() => _type = new Option<string?>("--bnb-4bit-quant-type")
    {
        Description = $"{QuantizationSettings.TypeHelp} [default: {QuantizationSettings.TypeFallback}]",
    }.AcceptOnlyFromAmong(QuantizationSettings.Types);

    public void AddTo(Verb verb)
    {
        foreach (var option in (Option[])[_four, _eight, _type, _double, _threshold, _skip])
        {
            verb.Add(option, HelpGroups.Device);
        }
    }

    /// <exception cref="BadInputException">Flags contradict each other.</exception>
    public QuantizationOptions? Read(Invocation call) => new QuantizationSettings
    {
        LoadIn4Bit = call.Value(_four), LoadIn8Bit = call.Value(_eight), Type = call.Value(_type),
        UseDoubleQuant = call.IsGiven(_double) ? call.Value(_double) : null, Threshold = call.Value(_threshold),
        SkipModules = call.Value(_skip),
    }.ToOptions();
}
