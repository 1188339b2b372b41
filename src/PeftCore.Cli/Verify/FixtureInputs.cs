using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Cli.Verify;

/// <summary>A fixture's input batch and the directory of its base model.</summary>
internal static class FixtureInputs
{
    public static (ModelInputs Inputs, Targets Targets) From(Backend backend, Expected expected)
    {
        int batch = expected.Extent("in.input_ids", 0);
        return (ModelInputs.From(backend, expected.Ints("in.input_ids"), batch, expected.Ints("in.attention_mask")),
            Targets.FromLabels(backend, expected.Ints("in.labels"), batch));
    }

    /// <summary>The base model's directory: --model, or the path in the adapter's configuration, relative to the adapter.</summary>
    public static string BaseOf(string directory, string? given)
    {
        if (given is not null)
        {
            return given;
        }
        string path = Path.Combine(directory, "adapter_config.json");
        string named = ConfigReader.Open(path).String("base_model_name_or_path");
        string combined = Path.GetFullPath(Path.Combine(directory, named));
        return Directory.Exists(combined)
            ? combined
            : throw new BadInputException($"{path}: its base model \"{named}\" is not at {combined}; name it with --model");
    }
}
