using System.Text;
using PeftCore.Io;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace PeftCore.Cli.Options;

/// <summary>Reads a YAML file of settings. Scalars keep their text: 010, yes or a date are interpreted later, when the type of the setting
/// is known.</summary>
internal static class YamlSettings
{
    private const int MaxDepth = 8;
    private const string Prefix = "tag:yaml.org,2002:";

    public static List<SettingsFile.Entry> Read(string path)
    {
        var root = Root(path);
        if (root is not YamlMappingNode mapping)
        {
            throw new BadInputException($"{path}: expected lines such as \"lora_r: 16\", found no names.");
        }
        List<SettingsFile.Entry> entries = [];
        foreach ((var key, var value) in mapping.Children)
        {
            string name = (key as YamlScalarNode)?.Value
                ?? throw new BadInputException(
                $"{path}, line {key.Start.Line}: the name of a setting was expected, found " +
                $"{(key is YamlSequenceNode ? "a list" : "a mapping")}.");
            string place = $"{path}, line {key.Start.Line}: {name}";
            if (name == "<<")
            {
                throw new BadInputException($"{place} asks to merge another mapping, which is not done here; write its settings out.");
            }
            if (!IsNull(value))
            {
                entries.Add(new SettingsFile.Entry(name, Value(value, place), place));
            }
        }
        return entries;
    }

    private static YamlNode Root(string path)
    {
        string text = Text(path);
        var yaml = new YamlStream();
        try
        {
            CheckDepth(path, text);
            yaml.Load(new StringReader(text));
        }
        catch (YamlException e)
        {
            throw new BadInputException($"{path}, line {e.Start.Line}, column {e.Start.Column}: not valid YAML: {e.Message.TrimEnd('.')}.",
                e);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // The parser's own checks.
            throw new BadInputException($"{path}: not valid YAML: {e.Message.Split(" (Parameter", 2)[0].TrimEnd('.')}.", e);
        }
        return yaml.Documents.Count == 1 ? yaml.Documents[0].RootNode
            : throw new BadInputException($"{path}: expected one YAML document with settings, found {yaml.Documents.Count}.");
    }

    private static string Text(string path)
    {
        try
        {
            using var reader = new StreamReader(path, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true));
            return reader.ReadToEnd();
        }
        catch (DecoderFallbackException e)
        {
            throw new BadInputException($"{path}: the file is not valid UTF-8; save it as UTF-8.", e);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(path, e);
        }
    }

    /// <summary>Limits the nesting depth before parsing, because the parser is recursive and deep nesting would overflow the
    /// stack.</summary>
    private static void CheckDepth(string path, string text)
    {
        var parser = new Parser(new StringReader(text));
        int depth = 0;
        while (parser.MoveNext())
        {
            depth += parser.Current!.NestingIncrease;
            // The stream and its document add one level each.
            if (depth > MaxDepth + 2)
            {
                throw new BadInputException(
                    $"{path}, line {parser.Current.Start.Line}: the values are nested more than {MaxDepth} deep; a setting is one value " +
                    "or a list of values.");
            }
        }
    }

    private static FileValue Value(YamlNode value, string place) => value switch
    {
        YamlSequenceNode list => new FileValue([.. list.Children.Select(item => Scalar(item, place, "texts or numbers"))], IsList: true),
        _ => FileValue.Of(Scalar(value, place, "one value or a list of values")),
    };

    private static FileScalar Scalar(YamlNode value, string place, string expected) => value switch
    {
        YamlScalarNode scalar when IsNull(scalar) => throw new BadInputException($"{place} holds null in a list, expected {expected}."),
        YamlScalarNode scalar => Scalar(scalar, place),
        YamlSequenceNode => throw new BadInputException($"{place} holds a list in a list, expected {expected}."),
        _ => throw new BadInputException($"{place} holds further names, expected {expected}."),
    };

    private static FileScalar Scalar(YamlScalarNode scalar, string place)
    {
        string tag = TagOf(scalar);
        return tag switch
        {
            "" when scalar.Style == ScalarStyle.Plain => FileScalar.OfYaml(scalar.Value!),
            "" or "!" or Prefix + "str" => new FileScalar(scalar.Value!),
            Prefix + "int" or Prefix + "float" or Prefix + "bool" => FileScalar.OfYaml(scalar.Value!),
            _ => throw new BadInputException($"{place} has the tag {tag}, which is not read here; leave it out."),
        };
    }

    private static string TagOf(YamlNode node) => node.Tag.IsEmpty ? "" : node.Tag.IsNonSpecific ? "!" : node.Tag.Value;

    private static bool IsNull(YamlNode value) =>
        value is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" or "Null" or "NULL" } scalar
        && TagOf(scalar) is "" or Prefix + "null";
}
