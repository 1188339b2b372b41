using PeftCore.Autograd;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    /// <summary>Makes these adapters the active ones; their updates add up. They alone train: of each, what trained when it was last
    /// active. Adapters that are merged are taken out of the weights.</summary>
    public void SetActive(params IReadOnlyList<string> names)
    {
        List<string> chosen = [.. names.Distinct()];
        if (chosen.Count(name => Get(name).Swaps.Count > 0) > 1)
        {
            throw new BadInputException(
                $"adapters {string.Join(", ", chosen)} cannot be active together: more than one of them replaces parameters of the base");
        }
        Unmerge();
        Unapply();
        _active.Except(chosen).ToList().ForEach(name => _adapters[name].Deactivate());
        chosen.Except(_active).ToList().ForEach(name => _adapters[name].Activate());
        _active = chosen;
        Apply();
    }

    /// <summary>Freezes all adapters, for inference.</summary>
    public void Freeze() => _adapters.Keys.ToList().ForEach(name => SetRequiresGrad(name, false));

    /// <summary>Lets all parameters of an adapter train while it is active, or freezes them; switching adapters does not change
    /// this.</summary>
    public void SetRequiresGrad(string name, bool requiresGrad) => Get(name).SetRequiresGrad(requiresGrad, _active.Contains(name));

    /// <summary>Runs code with no adapter, as if the base were alone.</summary>
    public T WithoutAdapters<T>(Func<T> body)
    {
        bool before = _disabled;
        Disable();
        try
        {
            return body();
        }
        finally
        {
            if (!before)
            {
                Enable();
            }
        }
    }

    /// <summary>Turns all adapters off until <see cref="Enable"/>; merged ones are taken out as well.</summary>
    public void Disable()
    {
        Unapply();
        _disabled = true;
        Apply();
    }

    /// <summary>Turns the active adapters on again.</summary>
    public void Enable()
    {
        Unapply();
        _disabled = false;
        Apply();
    }

    /// <summary>Runs code on a batch whose rows belong to tasks of a multitask adapter. Without this, every row belongs to task 0.
    /// What a batch's own data say of its rows comes first.</summary>
    /// <param name="tasks">The task of each row, or of all rows, counted from 0.</param>
    /// <param name="body">What to run.</param>
    public T WithTasks<T>(IReadOnlyList<int> tasks, Func<T> body)
    {
        var before = RowTasks;
        RowTasks = tasks;
        try
        {
            return body();
        }
        finally
        {
            RowTasks = before;
        }
    }

    /// <summary>Runs code on a batch whose rows each use one adapter.</summary>
    /// <param name="rows">An adapter's name a row, or <see cref="NoAdapter"/>.</param>
    /// <param name="body">What to run.</param>
    /// <exception cref="BadInputException">A name is unknown, or an adapter replaces base parameters, which all rows share.</exception>
    public T WithRowAdapters<T>(IReadOnlyList<string> rows, Func<T> body)
    {
        foreach (string name in rows.Where(name => name != NoAdapter).Distinct())
        {
            if (Get(name).Swaps.Count > 0)
            {
                throw new BadInputException(
                    $"adapter \"{name}\" replaces parameters of the base, which all rows of a batch share; run its rows by themselves");
            }
        }
        if (_merged.Count > 0)
        {
            throw new BadInputException("a mixed batch needs the base as it was: unmerge the adapters first");
        }
        if (Base.GradientCheckpointing && Tape.IsRecording)
        {
            throw new BadInputException(
                "a mixed batch cannot train with gradient checkpointing: backward runs the layers again when the names of the rows are " +
                "gone; turn it off");
        }
        var before = RowAdapters;
        Unapply();
        RowAdapters = [.. rows.Select(name => name == NoAdapter ? null : name)];
        try
        {
            return body();
        }
        finally
        {
            RowAdapters = before;
            Apply();
        }
    }
}
