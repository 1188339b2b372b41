using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Verbs;

/// <summary>The tag of each word of a page or a text, for generate --page.</summary>
internal static class PageTags
{
    public static VerbResult Of(string path, SamplingOptions options, Invocation call)
    {
        using var session = ModelSession.OpenUnloaded(Devices.Open(options.Device, limit: options.Limits?.For(options.Device),
            compute: options.Dtype), options.Model, warn: call.Terminal.Warn, rows: options.ResizeTokenEmbeddings,
            task: TaskChoice.Of(null, options.Adapters), quantization: options.Quantization.ToOptions()).RequireTags()
                .WithAdapters(options.Adapters, call);
        session.TellOfTokenizer(call);
        var setup = new DataSetup(session, new SequenceOptions(), session.Model.Base.VirtualTokenCount);
        var pages = new List<JsonReport>();
        foreach (var row in setup.ReadFile(path, call))
        {
            var tags = setup.TagsOf(row, call);
            if (pages.Count > 0)
            {
                call.Say();
            }
            call.Table([.. tags.Select(found => new[]
                { found.Word, found.Tag, FormattableString.Invariant($"{100 * found.Probability:0.0} %") })], hasHeader: false, 2);
            pages.Add(new JsonReport().Add("words", tags.Select(found => new JsonReport().Add("word", found.Word).Add("tag", found.Tag)
                .Add("probability", found.Probability))));
        }
        return VerbResult.Done(new JsonReport().Add("page", path).Add("pages", pages));
    }
}
