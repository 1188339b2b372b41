using PeftCore.Lab.Engine;
using PeftCore.Server.Http;

namespace PeftCore.Lab.Http;

/// <summary>The body of a request to the lab; each endpoint reads its own fields.</summary>
internal sealed class LabRequest
{
    /// <summary>The most steps that one press of a button trains.</summary>
    public const int MostSteps = 10_000;

    public string? Run { get; private set; }

    public LabSettings? Settings { get; private set; }

    public int Steps { get; private set; }

    public string? Module { get; private set; }

    public int Layer { get; private set; }

    public int Head { get; private set; }

    public int Index { get; private set; }

    public string? Kind { get; private set; }

    /// <summary>The run's name, which must be given.</summary>
    public string RunName => Run ?? throw ApiException.Bad("run", "run is missing, expected a or b");

    /// <summary>Fields of every request about one run.</summary>
    public static FieldTable<LabRequest> OfRun() => new FieldTable<LabRequest>()
        .Add("run", (request, field) => request.Run = OneOf(field, LabEngine.RunNames));

    public static FieldTable<LabRequest> Create(IReadOnlyList<LabMethod> methods, IReadOnlyCollection<string> targets)
    {
        var settings = SettingsOf(methods, targets);
        return OfRun().Add("settings", (request, field) =>
        {
            field.Members();
            request.Settings = settings.Read(field.Value, new LabSettings());
        });
    }

    public static FieldTable<LabRequest> Train() =>
        OfRun().Add("steps", (request, field) => request.Steps = (int)field.Whole(0, MostSteps));

    public static FieldTable<LabRequest> Delta() => OfRun().Add("module", (request, field) => request.Module = Short(field, 200));

    public static FieldTable<LabRequest> Attention() => OfRun()
        .Add("layer", (request, field) => request.Layer = (int)field.Whole(0, int.MaxValue))
        .Add("head", (request, field) => request.Head = (int)field.Whole(0, int.MaxValue));

    public static FieldTable<LabRequest> Tensor() =>
        OfRun().Add("index", (request, field) => request.Index = (int)field.Whole(0, int.MaxValue));

    public static FieldTable<LabRequest> Export(IReadOnlyList<string> kinds) =>
        OfRun().Add("kind", (request, field) => request.Kind = OneOf(field, kinds));

    private static FieldTable<LabSettings> SettingsOf(IReadOnlyList<LabMethod> methods, IReadOnlyCollection<string> targets) =>
        new FieldTable<LabSettings>()
        .Add("method", (settings, field) => settings.Method = OneOf(field, [.. methods.Select(method => method.Name)]))
        .Add("size", (settings, field) => settings.Size = (int)field.Whole(1, LabMethod.MostSize))
        .Add("alpha", (settings, field) => settings.Alpha = field.Number(1e-3, 4096))
        .Add("targets", (settings, field) => settings.Targets = [.. field.Items().Select(item => OneOf(item, targets)).Distinct()])
        .Add("learning_rate", (settings, field) => settings.LearningRate = field.Number(1e-8, 1e6))
        .Add("batch_size", (settings, field) => settings.BatchSize = (int)field.Whole(1, 32))
        .Add("seed", (settings, field) => settings.Seed = (ulong)field.Whole(0, int.MaxValue))
        .Add("eval_steps", (settings, field) => settings.EvalSteps = (int)field.Whole(1, 1000))
        .Add("prompt", (settings, field) => settings.Prompt = Short(field, LabSettings.MostPrompt) is { Length: > 0 } text ? text : null);

    private static string OneOf(Field field, IReadOnlyCollection<string> names) =>
        names.Contains(field.Text()) ? field.Text() : throw ApiException.Bad(field.Name,
            $"{field.Name} is not known here, expected one of {string.Join(", ", names)}");

    private static string Short(Field field, int most) => field.Text().Length <= most ? field.Text()
        : throw ApiException.Bad(field.Name, $"{field.Name} has {field.Text().Length} characters, expected at most {most}");
}
