using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Verbs;

/// <summary>The most likely classes of a picture, or texts that belong to it, for generate --image.</summary>
internal static class PictureClasses
{
    private const int Shown = 5;

    public static VerbResult Of(string path, SamplingOptions options, Invocation call)
    {
        using var session = ModelSession.OpenUnloaded(Devices.Open(options.Device, limit: options.Limits?.For(options.Device),
            compute: options.Dtype), options.Model, warn: call.Terminal.Warn, task: TaskChoice.Of(null, options.Adapters),
            quantization: options.Quantization.ToOptions())
            .RequirePictures(byTexts: options.Labels is not null).WithAdapters(options.Adapters, call);
        var classes = options.Labels is { } list
            ? session.Pictures.Classify(session.Model.Base, path, Texts(list), session.Tokenizer)
            : session.Pictures.Classify(session.Model.Base, path);
        call.Table([.. classes.Take(Shown).Select(found => new[]
            { found.Label, FormattableString.Invariant($"{100 * found.Probability:0.0} %") })], hasHeader: false, 1);
        return VerbResult.Done(new JsonReport().Add("image", path).Add("label", classes[0].Label)
            .Add("classes", classes.Select(found => new JsonReport().Add("label", found.Label).Add("probability", found.Probability))));
    }

    private static string[] Texts(string list)
    {
        string[] texts = list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return texts.Length >= 2 ? texts
            : throw new BadInputException($"--labels is \"{list}\", expected at least two texts with commas between.");
    }
}
