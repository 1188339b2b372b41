using System.Text;
using PeftCore.Backends;
using PeftCore.Fuzz.Engine;
using PeftCore.Fuzz.Inputs;
using PeftCore.Models;

namespace PeftCore.Fuzz.Kinds;

/// <summary>config.json of every family, beside the weights of its tiny fixture: fields changed, doubled and damaged, and contradictions by
/// construction.</summary>
internal sealed class ConfigKind : FuzzKind
{
    private const string FileName = "config.json";
    private static readonly string[] Families = ["llama", "mistral", "qwen2", "qwen3", "gpt2"];
    private static readonly Dictionary<string, JsonTree> Configs = Families.ToDictionary(family => family,
        family => JsonTree.Parse(Fixture.Text("hf", family, "base", FileName)));

    public override string Name => "config";

    public override int Share => 20;

    public override FuzzInput Make(FuzzRandom random)
    {
        string family = random.Pick(Families);
        var config = Configs[family].Clone();
        return random.OneOf(
            (8, () => Contradiction(random, family, config)),
            (8, () => Field(random, family, config)),
            (2, () => Doubled(random, family, config)),
            (1, () => Input("unchanged", Expectation.Accept, family, JsonEdits.Rewritten(random, config)) with
            {
                Meaning =
                ConfigChecks.SameAs(Configs[family].ToString())
            }),
            (2, () => Anywhere(random, family, config)),
            (3, () => new FuzzInput("damaged bytes", Expectation.Any,
                new FuzzFile(FileName, Damage.Apply(random, Encoding.UTF8.GetBytes(config.ToString(" ")))))
            { Context = family }));
    }

    public override FuzzSubject Open(string directory) => new Subject(directory);

    private static FuzzInput Input(string rule, Expectation expectation, string family, string text) =>
        new(rule, expectation, new FuzzFile(FileName, text)) { Context = family };

    private static FuzzInput Contradiction(FuzzRandom random, string family, JsonTree config)
    {
        var rule = random.Pick(ConfigContradictions.For(family));
        var claim = rule.Apply(random, config);
        string text = JsonEdits.Rewritten(random, config);
        return Input(rule.Name, claim.Expectation, family, text) with { Names = claim.Names, Meaning = claim.Check };
    }

    private static FuzzInput Field(FuzzRandom random, string family, JsonTree config)
    {
        var field = random.Pick(ConfigField.Of(family));
        var holder = field.Holder is null ? config : config[field.Holder]!;
        var before = holder[field.Name];
        if (random.OnceIn(6))
        {
            holder.Remove(field.Name);
            return Input($"{field.Name} is missing", field.Required ? Expectation.Refuse : Expectation.Any, family,
                JsonEdits.Rewritten(random, config));
        }
        var value = JsonTree.Parse(random.Pick(JsonEdits.Values));
        holder[field.Name] = value;
        var expectation = field.Judge(before, value);
        return Input($"{field.Name} is {field.Describe(value)}", expectation, family, JsonEdits.Rewritten(random, config)) with
        {
            Meaning =
            field.CheckOf(value)
        };
    }

    private static FuzzInput Doubled(FuzzRandom random, string family, JsonTree config)
    {
        var (key, value) = random.Pick(config.Fields!);
        var other = JsonTree.Parse(random.Pick(JsonEdits.Values));
        JsonEdits.Double(random, config, key, other);
        return Input("a doubled field", JsonEdits.Same(value, other) ? Expectation.Any : Expectation.Refuse, family, config.ToString(" "));
    }

    private static FuzzInput Anywhere(FuzzRandom random, string family, JsonTree config)
    {
        JsonEdits.Anywhere(random, config);
        JsonEdits.Anywhere(random, config);
        return Input("two changes anywhere", Expectation.Any, family, JsonEdits.Rewritten(random, config));
    }

    private sealed class Subject : FuzzSubject
    {
        private readonly CpuBackend _backend = new(1);

        public Subject(string directory) : base(directory)
        {
            foreach (string family in Families)
            {
                System.IO.Directory.CreateDirectory(Path.Combine(directory, family));
                File.Copy(Fixture.PathOf("hf", family, "base", "model.safetensors"), Path.Combine(directory, family, "model.safetensors"));
            }
        }

        public override void Prepare(FuzzInput input) =>
            File.WriteAllBytes(Path.Combine(Directory, input.Context, FileName), input[FileName]);

        public override Reading Read(FuzzInput input)
        {
            var warnings = new List<string>();
            var model = ModelLoader.Load(Path.Combine(Directory, input.Context), _backend, warnings: warnings);
            try
            {
                return new Reading(warnings, ((ConfigCheck?)input.Meaning)?.Invoke(model, warnings));
            }
            finally
            {
                model.Dispose();
            }
        }

        public override void Dispose() => _backend.Dispose();
    }
}
