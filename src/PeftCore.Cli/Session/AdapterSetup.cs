using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;

namespace PeftCore.Cli.Session;

/// <summary>From flags to the configuration of an adapter. Common settings have flags of their own; any method takes fields of its
/// configuration with
/// --method-options.</summary>
internal static class AdapterSetup
{
    /// <exception cref="BadInputException">The method does not have what a flag sets, or two settings contradict each other.</exception>
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

    /// <summary>The same for questions whose answer does not matter if the settings are wrong: whoever carries them out says so.</summary>
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

    /// <summary>Places of the context that a method's virtual tokens take.</summary>
    public static int PlacesOf(PeftConfig config) => config is PromptLearningConfig prompt ? prompt.NumVirtualTokens : 0;

    /// <summary>Whether two values are the same, 16 and 16.0 among them.</summary>
    private static bool AreEqual(JsonNode one, JsonNode other) => JsonNode.DeepEquals(one, other)
        || (NumberText.TryFloat(one.ToJsonString(), out double a) && NumberText.TryFloat(other.ToJsonString(), out double b)
            && a.Equals(b));
}
