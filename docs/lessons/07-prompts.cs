#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 7: prompts and prefixes: training what is read
//
//   dotnet run docs/lessons/07-prompts.cs
//
// A language model can be told what to do in words. Words are rows of the embedding table, and a model reads any rows. So train the rows:
//
//     prompt tuning    X' = [P; E[tokens]]                 P (n, hidden)                       Lester et al. 2021
//     prefix tuning    K' = [Pᴷ; K],  V' = [Pⱽ; V]         Pᴷ, Pⱽ (n, KV heads · head dim) of each layer    Li and Liang 2021
//
// A prompt is read like a text, by every layer. A prefix gives every layer keys and values directly, as if some text had been read: it is
// stronger, and it costs no computation for the n places beside attention. No weight of the model changes either way.

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training;

using var backend = new CpuBackend();
using var scope = new TensorScope();
var tokenizer = Tokenizer.FromDirectory(BaseModel);

// ## 1. A prompt that starts as words is those words
//
// If P holds the embeddings of a text, then the model with the prompt computes what it computes for that text in front. Positions count
// the virtual tokens.

const string Text = "Who shall have tea with Margaret? ";
int[] words = tokenizer.Encode(Text).Ids, question = tokenizer.Encode("Miss Harper is to have tea at the inn.").Ids;
var model = Load();
float[] read = Logits(model, [.. words, .. question]);
model.AddAdapter(new PromptTuningConfig
{
    NumVirtualTokens = words.Length, Init = PromptInit.Text, InitText = Text, Tokenizer = BaseModel,
});
float[] prompted = Logits(model, question);
int vocabulary = model.Base.VocabularySize, tail = question.Length * vocabulary;
Claim(prompted.Length == (words.Length + question.Length) * vocabulary,
    $"{words.Length} virtual tokens and {question.Length} real ones are read");
Claim(Distance(prompted[^tail..], read[^tail..]) < 1e-3, "the logits of the real ones are those after the text itself");

// By hand: look the rows up, put P in front. In the library P is a parameter; here is its value.

var rows = model.Base.TokenEmbedding.Weight.Value.Rows(words); // (n, hidden)
Claim(Distance(model.Parameters[0].Parameter.Value.ToFloats(), rows.ToFloats()) == 0, "P is the rows of the table, to the bit");

// ## 2. What trains
//
// A prompt has n·hidden numbers, whatever the depth of the model; a prefix 2·n·(KV heads · head dim) for each layer.

const int N = 8;
var prompt = Load();
prompt.AddAdapter(new PromptTuningConfig { NumVirtualTokens = N, Init = PromptInit.SampleVocab }, seed: 3);
var prefix = Load();
prefix.AddAdapter(new PrefixTuningConfig { NumVirtualTokens = N }, seed: 3);
int hidden = prompt.Base.HiddenSize, layers = prompt.Base.LayerCount, keyColumns = 3 * 32;
Claim(prompt.TrainableCount == N * hidden, $"{N} virtual tokens: n·hidden = {N}·{hidden} = {N * hidden:N0} numbers");
Claim(prefix.TrainableCount == 2 * N * keyColumns * layers,
    $"{N} places of a prefix: 2·n·96·layers = 2·{N}·{keyColumns}·{layers} = {2 * N * keyColumns * layers:N0} numbers");

// ## 3. Training
//
// The task: from a sentence to a form, "Who: … What: …". The loss counts the form's tokens alone. Learning rates are far higher than those
// of weights: an embedding has to travel.

var data = DataFiles.ReadFile(Path.Combine(Demo, "data", "train.jsonl")).Take(32).ToList();
var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 96, MaskPrompt = true }).Encode(data);
var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 8, PadId = tokenizer.PadId ?? 0 });
double start = Evaluation.Run(Load().Base, loader.Epoch()).Loss;
float[] table = prompt.Base.TokenEmbedding.Weight.Value.ToFloats();
double afterPrompt = Train(prompt, 0.1), afterPrefix = Train(prefix, 0.05);
Console.WriteLine($"loss of the base {start:0.0}; with a prompt after 24 steps {afterPrompt:0.0}, with a prefix {afterPrefix:0.0}");
Claim(afterPrompt < 0.8 * start && afterPrefix < 0.8 * start, "both learn the form from what they prepend, without changing a weight");
Claim(afterPrefix < afterPrompt, "the prefix learns more in as many steps: it speaks to every layer");
Claim(Distance(prompt.Base.TokenEmbedding.Weight.Value.ToFloats(), table) == 0, "the embedding table is what it was, to the bit");

// ## 4. What it costs
//
// Few parameters do not mean little memory for backward. The gradient of a prompt runs through the whole model down to its input, and every
// layer also computes n more places. The rules of lesson 2 count: a frozen layer still keeps nothing; norms, gates and attention do.

long promptBytes = Plan(new PromptTuningConfig { NumVirtualTokens = N }),
    prefixBytes = Plan(new PrefixTuningConfig { NumVirtualTokens = N });
Console.WriteLine($"saved for backward, 4 sequences of 64 tokens: prompt {promptBytes:N0} bytes, prefix {prefixBytes:N0} bytes");
Claim(prefixBytes < promptBytes,
    "the prefix keeps less: its gradient ends at the first layer's attention, and its places are not computed");

// Soft prompts are no words: the trained rows are not in the table. They stay beside the model and cannot be merged into it.

float[] trainedRows = prompt.Parameters[0].Parameter.Value.ToFloats();
float nearest = Enumerable.Range(0, N).Min(i => Enumerable.Range(0, prompt.Base.VocabularySize).Min(v =>
    Enumerable.Range(0, hidden).Max(c => Math.Abs(trainedRows[i * hidden + c] - table[v * hidden + c]))));
Claim(nearest > 0.05, "no trained row is near the embedding of any token");

long Plan(PeftConfig config) => MemoryPlan.Of(meta =>
{
    var planned = new PeftModel(ModelLoader.Load(BaseModel, meta, DType.F32));
    planned.AddPlannedAdapter(config);
    return planned;
}, batchSize: 4, length: 64).SavedBytes;

double Train(PeftModel trained, double rate)
{
    new Trainer(trained, new TrainerOptions { LearningRate = rate, MaxSteps = 24 }, loader).Run();
    return Evaluation.Run(trained.Base, loader.Epoch()).Loss;
}

PeftModel Load() => new(ModelLoader.Load(BaseModel, backend, DType.F32));

float[] Logits(PeftModel of, int[] ids) => Tape.NoGrad(() =>
{
    using var inner = new TensorScope();
    return of.Base.Logits(ModelInputs.From(backend, ids, batch: 1)).ToFloats();
});
