using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Sliding windows of a configuration. Mistral's applies to every block. Qwen's is off by default and starts at block
/// max_window_layers.</summary>
internal static class WindowSettings
{
    private const string Window = "sliding_window", Used = "use_sliding_window", First = "max_window_layers", Kinds = "layer_types";
    private const string Full = "full_attention", Sliding = "sliding_attention";

    /// <summary>Window of a configuration without the field.</summary>
    private const int DefaultWindow = 4096;

    /// <summary>Reads the window (0 for none) and the first block that has it.</summary>
    public static (int Window, int FirstLayer) Read(ConfigReader config, string type, int layers, ICollection<string>? warnings)
    {
        string[]? kinds = KindsOf(config, layers);
        int? window = config.Names.Contains(Window) ? config.IntOrNull(Window, min: 1) : DefaultWindow;
        return type switch
        {
            "mistral" => Mistral(config, kinds, window),
            "qwen2" or "qwen3" => Qwen(config, kinds, window, layers, warnings),
            _ => WithoutWindow(config, type, kinds, warnings),
        };
    }

    private static (int Window, int FirstLayer) Mistral(ConfigReader config, string[]? kinds, int? window)
    {
        if (window is not null && config.Has(Used) && !config.Bool(Used))
        {
            throw config.Error(Used,
                $"is false, but mistral models have a window wherever \"{Window}\" is not null ({window} here); set \"{Window}\" to null");
        }
        string expected = window is null ? Full : Sliding;
        if (kinds?.FirstOrDefault(kind => kind != expected) is { } other)
        {
            throw config.Error(Kinds,
                $"has \"{other}\", but \"{Window}\" is {window?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "null"}, " +
                $"which makes every block of a mistral model \"{expected}\"");
        }
        return (window ?? 0, 0);
    }

    private static (int Window, int FirstLayer) Qwen(ConfigReader config, string[]? kinds, int? window, int layers,
        ICollection<string>? warnings)
    {
        int slides = kinds is null ? -1 : Array.IndexOf(kinds, Sliding);
        if (!config.Bool(Used, false))
        {
            return slides < 0 ? (0, 0) : throw config.Error(Kinds, $"has \"{Sliding}\", but \"{Used}\" is false; set one of them right");
        }
        if (window is null)
        {
            if (slides >= 0)
            {
                throw config.Error(Kinds, $"has \"{Sliding}\", but \"{Window}\" is null; give the window's length");
            }
            warnings?.Add(config.Sentence(Used, $"is true, but \"{Window}\" is null; no block has a window"));
            return (0, 0);
        }
        int first = config.Int(First, 28, min: 0);
        if (kinds is null)
        {
            return (window.Value, first);
        }
        if (slides >= 0 && kinds[slides..].Any(kind => kind != Sliding))
        {
            throw config.Error(Kinds, "has blocks with and without a window in turns, which is not supported for this model");
        }
        int counted = slides < 0 ? layers : slides;
        if (config.Has(First) && Math.Min(first, layers) != counted)
        {
            warnings?.Add(config.Sentence(First,
                $"is {first}, but \"{Kinds}\" begins with {counted} blocks without a window, which counts"));
        }
        return slides < 0 ? (0, 0) : (window.Value, slides);
    }

    private static (int Window, int FirstLayer) WithoutWindow(ConfigReader config, string type, string[]? kinds,
        ICollection<string>? warnings)
    {
        if (kinds?.Contains(Sliding) == true)
        {
            throw config.Error(Kinds, $"has \"{Sliding}\", but {type} models have no window");
        }
        if (config.Has(Window) && config.IntOrNull(Window, min: 1) is { } window && config.Bool(Used, true))
        {
            warnings?.Add(config.Sentence(Window, $"is {window}, but {type} models have no window; it is ignored, as in transformers"));
        }
        return (0, 0);
    }

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
