using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;

namespace PeftCore.Cli.Session;

/// <summary>Builds an adapter's configuration from flags. Common settings have their own flags; --method-options sets any field of any
/// method.</summary>
internal static class AdapterSetup
{
    /// <exception cref="BadInputException">The method has no field for a flag, or two settings contradict each other.</exception>
    public static PeftConfig ConfigOf(TrainOptions options)
    {
        var fields = MethodSpec.Read(options.MethodOptions);
        var origins = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var flag in AdapterFlags.Of(options))
        {
            string place = options.Given.PlaceOf(flag.Name) ?? "--" + flag.Name;
            string field = flag.Field
                ?? throw new BadInputException(
                $"{place} is not for {options.Method}; give its fields with --method-options, such as init_r=12,target_r=8");
            if (fields[field] is { } given && !AreEqual(given, flag.Value!))
            {
                throw new BadInputException(
                    $"{place} says {flag.Value!.ToJsonString()}, but --method-options says {field}={given.ToJsonString()}; leave one of " +
                    "them out");
            }
            fields[field] = flag.Value;
            origins[field] = place;
        }
        return MethodSpec.Of(options.Method, fields).Config(options.Model, field => origins.GetValueOrDefault(field));
    }

    /// <summary>The configuration, or null if the settings are wrong, for callers that leave the error to the verb's own check.</summary>
    public static PeftConfig? TryConfigOf(TrainOptions options)
    {
        try
        {
            return ConfigOf(options);
        }
        catch (BadInputException)
        {
            return null;
        }
    }

    /// <summary>Number of positions of the context that a method's virtual tokens occupy.</summary>
    public static int PlacesOf(PeftConfig config) => config is PromptLearningConfig prompt ? prompt.NumVirtualTokens : 0;

    /// <summary>Whether two values are equal; 16 equals 16.0.</summary>
    private static bool AreEqual(JsonNode one, JsonNode other) => JsonNode.DeepEquals(one, other)
        || (NumberText.TryFloat(one.ToJsonString(), out double a) && NumberText.TryFloat(other.ToJsonString(), out double b)
            && a.Equals(b));
}
