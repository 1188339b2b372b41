using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Multitask prompt tuning (Wang et al. 2023): the virtual tokens of task t are P ∘ (u_t·v_t), with one prompt P (tokens, hidden)
/// that all tasks share, u (tasks, tokens, rank) and v (tasks, rank, hidden).</summary>
internal sealed class MultitaskPrompt : TokenPrompt
{
    private const float Deviation = 0.02f;
    private const string ColumnsKey = "prefix_task_cols";
    private const string RowsKey = "prefix_task_rows";

    private readonly Parameter _shared;
    private readonly Parameter _columns;
    private readonly Parameter _rows;

    public MultitaskPrompt(AttachContext context, MultitaskPromptTuningConfig config) : base(config.NumVirtualTokens)
    {
        var weights = new NamedParameters(context);
        _shared = weights.Normal("embedding.weight", [Count, config.TokenDim!.Value]);
        _columns = weights.Normal(ColumnsKey, [config.NumTasks, Count, config.NumRanks], Deviation);
        _rows = weights.Normal(RowsKey, [config.NumTasks, config.NumRanks, config.TokenDim!.Value], Deviation);
    }

    public override IEnumerable<AdapterParameter> Parameters =>
        [Named("embedding.weight", Key, _shared), Named(ColumnsKey, ColumnsKey, _columns), Named(RowsKey, RowsKey, _rows)];

    public override IEnumerable<SavedEntry> Entries => Parameters.Select(SavedEntry.Of);

    public override Tensor Rows(int task)
    {
        var factor = Of(_columns, task).MatMul(Of(_rows, task));
        return _shared.Value * factor;
    }

    public override void CheckTask(int task)
    {
        if (task < 0 || task >= _columns.Shape[0])
        {
            throw new BadInputException($"there is no task {task}: the adapter has {_columns.Shape[0]}, counted from 0");
        }
    }

    /// <summary>Initialises the prompt from a text, or from the prompt of an earlier training.</summary>
    public void Start(AttachContext context, MultitaskPromptTuningConfig config)
    {
        if (config.Init == MultitaskPromptInit.Text)
        {
            PromptInitializer.Fill(context, _shared, PromptInit.Text, config.InitText, config.Tokenizer);
        }
        else if (config.Init != MultitaskPromptInit.Random)
        {
            StartFrom(config.InitStateDictPath
                ?? throw new BadInputException($"prompt_tuning_init_state_dict_path is missing, and prompt_tuning_init starts from it"),
                config);
        }
    }

    private void StartFrom(string path, MultitaskPromptTuningConfig config)
    {
        using var source = WeightSource.OpenFile(path);
        var shared = SavedEntry.Of(Named("", Key, _shared));
        shared.Check(source.Get(Key));
        shared.Read(source.Get(Key));
        if (config.Init != MultitaskPromptInit.OnlySourceShared)
        {
            Factors(source.Get(ColumnsKey), _columns, config);
            Factors(source.Get(RowsKey), _rows, config);
        }
    }

    /// <summary>The factors of one source task, or their mean over all.</summary>
    private static void Factors(WeightEntry entry, Parameter factors, MultitaskPromptTuningConfig config)
    {
        long[] shape = [entry.Shape[0], factors.Shape[1], factors.Shape[2]];
        if (factors.Shape[0] != 1 || !entry.Shape.AsSpan().SequenceEqual(shape))
        {
            throw entry.Error(
                $"has shape ({string.Join(", ", entry.Shape)}); starting from source tasks needs num_tasks 1 and factors of (tasks, " +
                $"{factors.Shape[1]}, {factors.Shape[2]})");
        }
        using var source = new Parameter([(int)shape[0], (int)shape[1], (int)shape[2]]);
        WeightReader.Read(entry, source, factors.Value.Backend, DType.F32);
        float[] all = source.Value.ToArray<float>();
        int size = (int)factors.Shape.Count, tasks = (int)shape[0];
        if (config.Init == MultitaskPromptInit.ExactSourceTask && config.InitTask >= tasks)
        {
            throw new BadInputException($"prompt_tuning_init_task is {config.InitTask}, but the source has {tasks} tasks, counted from 0");
        }
        float[] values = config.Init == MultitaskPromptInit.ExactSourceTask
            ? all[(config.InitTask * size)..((config.InitTask + 1) * size)]
            : [.. Enumerable.Range(0, size).Select(i => Enumerable.Range(0, tasks).Sum(task => all[task * size + i]) / tasks)];
        factors.Value.Upload<float>(values);
    }

    private static Tensor Of(Parameter factors, int task) => factors.Value.Slice(task, 1).Reshape([factors.Shape[1], factors.Shape[2]]);
}
