using PeftCore.Io;

namespace PeftCore.Tests;

/// <summary>The family of a reference model.</summary>
internal static class FixtureFamily
{
    /// <summary>"model_type" of a config.json; models of diffusers have "_class_name" instead.</summary>
    public static string Of(string configFile)
    {
        var config = ConfigReader.Open(configFile);
        return config.String(config.Has("model_type") ? "model_type" : "_class_name");
    }
}
