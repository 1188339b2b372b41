using PeftCore.Fuzz.Engine;
using PeftCore.Fuzz.Inputs;
using PeftCore.Tokenizers;

namespace PeftCore.Fuzz.Kinds;

/// <summary>tokenizer.json of every model, and tokenizer_config.json beside it: changed, contradictory and damaged. What is read encodes a
/// few texts.</summary>
internal sealed class TokenizerKind : FuzzKind
{
    private const string FileName = "tokenizer.json";
    private static readonly string[] Siblings = [TokenizerConfigs.FileName, TokenizerConfigs.MapName, TokenizerConfigs.ModelName,
        TokenizerConfigs.GenerationName, "chat_template.jinja"];

    public override string Name => "tokenizer";

    public override int Share => 10;

    public override FuzzInput Make(FuzzRandom random)
    {
        string sample = random.Pick(TokenizerSample.Names);
        var tree = TokenizerSample.Get(sample);
        return random.OneOf(
            (8, () => Contradiction(random, sample, tree)),
            (6, () => Anywhere(random, sample, tree)),
            (3, () => Part(random, sample, tree)),
            (1, () => Input("unchanged", Expectation.Accept, sample, JsonEdits.Rewritten(random, tree)) with
            {
                Meaning =
                TokenizerReading.IdsOf(sample)
            }),
            (3, () => Config(random, sample, tree)),
            (3, () => new FuzzInput("damaged bytes", Expectation.Any,
                new FuzzFile(FileName, Damage.Apply(random, System.Text.Encoding.UTF8.GetBytes(tree.ToString()))))
            { Context = sample }));
    }

    public override FuzzSubject Open(string directory) => new Subject(directory);

    private static FuzzInput Input(string rule, Expectation expectation, string sample, string text) =>
        new(rule, expectation, new FuzzFile(FileName, text)) { Context = sample };

    private static FuzzInput Contradiction(FuzzRandom random, string sample, JsonTree tree)
    {
        var rule = random.Pick(TokenizerContradictions.For(sample));
        var claim = rule.Apply(random, tree);
        return Input($"{rule.Name} ({sample})", claim.Expectation, sample, JsonEdits.Rewritten(random, tree)) with { Names = claim.Names };
    }

    private static FuzzInput Anywhere(FuzzRandom random, string sample, JsonTree tree)
    {
        // The vocabulary holds nearly all values of the file; half of the changes are made outside it.
        JsonTree[] parts = [.. tree.Fields!.Select(field => field.Value), .. tree["model"]!.Fields!.Select(field => field.Value)];
        string change = JsonEdits.Anywhere(random, random.OnceIn(2) ? tree : random.Pick(parts));
        return Input($"{change} ({sample})", Expectation.Any, sample, JsonEdits.Rewritten(random, tree));
    }

    private static FuzzInput Part(FuzzRandom random, string sample, JsonTree tree)
    {
        var (name, json) = TokenizerParts.Make(random);
        tree.Set(name, json);
        return Input($"another {name} ({sample})", Expectation.Any, sample, tree.ToString());
    }

    private static FuzzInput Config(FuzzRandom random, string sample, JsonTree tree)
    {
        var rule = random.Pick(TokenizerConfigs.Rules);
        var (claim, config, sibling) = rule.Make(random, sample);
        List<FuzzFile> files = [new(FileName, tree.ToString()), new(TokenizerConfigs.FileName, config)];
        if (sibling is { } file)
        {
            files.Add(file);
        }
        return new FuzzInput(rule.Name, claim.Expectation, files) { Context = sample, Names = claim.Names };
    }

    private sealed class Subject(string directory) : FuzzSubject(directory)
    {
        public override void Prepare(FuzzInput input)
        {
            foreach (string name in Siblings)
            {
                File.Delete(Path.Combine(Directory, name));
            }
            base.Prepare(input);
        }

        // A text that cannot be encoded is refused without the file's name: the tokenizer may come from anywhere by then.
        public override bool NamesFiles => false;

        public override Reading Read(FuzzInput input)
        {
            var tokenizer = Tokenizer.FromDirectory(Directory);
            _ = tokenizer.ChatTemplate;
            return new Reading(tokenizer.Warnings, TokenizerReading.Difference(tokenizer, (int[][]?)input.Meaning));
        }
    }
}
