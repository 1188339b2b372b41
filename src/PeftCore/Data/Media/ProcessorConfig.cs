using PeftCore.Io;

namespace PeftCore.Data;

/// <summary>Finds the configuration of what comes before a model: preprocessor_config.json, or a part of processor_config.json, where
/// transformers 5 saves all parts of a processor together.</summary>
internal static class ProcessorConfig
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "preprocessor_config.json";

    private const string TogetherName = "processor_config.json";

    /// <summary>The model_type of a directory's config.json; empty if it has none. It decides what fields mean that are absent.</summary>
    public static string ModelTypeIn(string directory)
    {
        string path = Path.Combine(directory, "config.json");
        return File.Exists(path) ? ConfigReader.Open(path).StringOrNull("model_type") ?? "" : "";
    }

    /// <summary>Opens the configuration of a model directory.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="part">The name of the part in processor_config.json.</param>
    /// <param name="input">What it makes the model's input of, for the message.</param>
    /// <exception cref="BadInputException">The directory has none.</exception>
    public static ConfigReader Open(string directory, string part, string input)
    {
        string path = Path.Combine(directory, FileName), together = Path.Combine(directory, TogetherName);
        return File.Exists(path) ? ConfigReader.Open(path)
            : (File.Exists(together) ? ConfigReader.Open(together).ObjectOrNull(part) : null) ?? throw new BadInputException(
                $"{directory} has no {FileName}, which says how {input} becomes the model's input; copy it from the model's repository.");
    }
}
