using System.Globalization;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Sliding windows of a configuration: for each block the keys that a token attends to, 0 for all. Mistral's applies to every
/// block. Qwen's is off by default and starts at block max_window_layers. Gemma's alternates between blocks.</summary>
internal static class WindowSettings
{
    private const string Window = "sliding_window", Used = "use_sliding_window", First = "max_window_layers", Kinds = "layer_types";
    private const string Full = "full_attention", Sliding = "sliding_attention";

    /// <summary>Window of a configuration without the field.</summary>
    private const int DefaultWindow = 4096;

    /// <summary>One window for all blocks, if there is one.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="layers">Number of blocks.</param>
    /// <param name="fallback">The window of a configuration without the field.</param>
    public static PerLayer<int> Mistral(ConfigReader config, int layers, int? fallback = DefaultWindow)
    {
        string[]? kinds = KindsOf(config, layers);
        int? window = Length(config, fallback);
        string type = config.String("model_type");
        if (window is not null && config.Has(Used) && !config.Bool(Used))
        {
            throw config.Error(Used,
                $"is false, but {type} models have a window wherever \"{Window}\" is not null ({window} here); set \"{Window}\" to null");
        }
        string expected = window is null ? Full : Sliding;
        if (kinds?.FirstOrDefault(kind => kind != expected) is { } other)
        {
            throw config.Error(Kinds, $"has \"{other}\", but \"{Window}\" is {window?.ToString(CultureInfo.InvariantCulture) ?? "null"}, " +
                $"which makes every block of a {type} model \"{expected}\"");
        }
        return window ?? 0;
    }

    /// <summary>A window in the blocks from max_window_layers on, or in those that layer_types names.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="layers">Number of blocks.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static PerLayer<int> Qwen(ConfigReader config, int layers, ICollection<string>? warnings)
    {
        string[]? kinds = KindsOf(config, layers);
        int? window = Length(config, DefaultWindow);
        if (!Uses(config, kinds, window, warnings))
        {
            return 0;
        }
        int first = config.Int(First, 28, min: 0);
        if (kinds is null)
        {
            return new PerLayer<int>(Enumerable.Range(0, layers).Select(i => i < first ? 0 : window!.Value));
        }
        if (config.Has(First) && !kinds.Select((kind, i) => (kind == Sliding) == (i >= first)).All(same => same))
        {
            int without = Array.IndexOf(kinds, Sliding) is >= 0 and var slides ? slides : layers;
            warnings?.Add(config.Sentence(First,
                $"is {first}, but \"{Kinds}\" begins with {without} blocks without a window, which counts"));
        }
        return ByKind(kinds, window!.Value);
    }

    /// <summary>A window in the blocks that layer_types names.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="layers">Number of blocks.</param>
    /// <param name="slides">Whether a block has a window if layer_types is absent.</param>
    /// <param name="fallback">The window of a configuration without the field.</param>
    public static PerLayer<int> Alternating(ConfigReader config, int layers, Func<int, bool> slides, int fallback = DefaultWindow)
    {
        string[] kinds = KindsOf(config, layers) ?? [.. Enumerable.Range(0, layers).Select(i => slides(i) ? Sliding : Full)];
        int? window = Length(config, fallback);
        return window is null && kinds.Contains(Sliding)
            ? throw config.Error(Window, $"is null, but \"{Kinds}\" has blocks of \"{Sliding}\"; give the window's length")
            : ByKind(kinds, window ?? 0);
    }

    /// <summary>A window, if use_sliding_window turns it on, in the blocks that layer_types or <paramref name="slides"/> names.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="layers">Number of blocks.</param>
    /// <param name="slides">Whether a block has a window if layer_types is absent.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static PerLayer<int> Optional(ConfigReader config, int layers, Func<int, bool> slides, ICollection<string>? warnings)
    {
        string[]? kinds = KindsOf(config, layers);
        int? window = Length(config, null);
        return Uses(config, kinds, window, warnings)
            ? ByKind(kinds ?? [.. Enumerable.Range(0, layers).Select(i => slides(i) ? Sliding : Full)], window!.Value) : 0;
    }

    /// <summary>No window; one in the configuration is warned of.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="spec">The model.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static PerLayer<int> None(ConfigReader config, DecoderSpec spec, ICollection<string>? warnings)
    {
        if (KindsOf(config, spec.Layers)?.Contains(Sliding) == true)
        {
            throw config.Error(Kinds, $"has \"{Sliding}\", but {spec.ModelType} models have no window");
        }
        if (config.Has(Window) && config.IntOrNull(Window, min: 1) is { } window && config.Bool(Used, true))
        {
            warnings?.Add(config.Sentence(Window,
                $"is {window}, but {spec.ModelType} models have no window; it is ignored, as in transformers"));
        }
        return 0;
    }

    private static bool Uses(ConfigReader config, string[]? kinds, int? window, ICollection<string>? warnings)
    {
        bool slides = kinds?.Contains(Sliding) == true;
        if (!config.Bool(Used, false))
        {
            return slides ? throw config.Error(Kinds, $"has \"{Sliding}\", but \"{Used}\" is false; set one of them right") : false;
        }
        if (window is not null)
        {
            return true;
        }
        if (slides)
        {
            throw config.Error(Kinds, $"has \"{Sliding}\", but \"{Window}\" is null; give the window's length");
        }
        warnings?.Add(config.Sentence(Used, $"is true, but \"{Window}\" is null; no block has a window"));
        return false;
    }

    private static int? Length(ConfigReader config, int? fallback) =>
        config.Names.Contains(Window) ? config.IntOrNull(Window, min: 1) : fallback;

    private static PerLayer<int> ByKind(string[] kinds, int window) => new(kinds.Select(kind => kind == Sliding ? window : 0));

    private static string[]? KindsOf(ConfigReader config, int layers)
    {
        if (config.StringsOrNull(Kinds) is not { } kinds)
        {
            return null;
        }
        if (kinds.Length != layers)
        {
            throw config.Error(Kinds, $"lists {kinds.Length} blocks, but the model has {layers}");
        }
        return kinds.FirstOrDefault(kind => kind is not (Full or Sliding)) is { } other
            ? throw config.Error(Kinds, $"has \"{other}\", which is not supported; supported are {Full}, {Sliding}") : kinds;
    }
}
