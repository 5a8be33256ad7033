// Command chart renders a Helm chart as `helm template` does: Debian packages no helm, but what its engine is made of,
// Go's text/template and sprig, and the JSON schema validator for values.schema.json.
//
//	chart DIR RELEASE NAMESPACE [VALUES.yaml]...
//
// prints the manifests, then the notes behind a line "# NOTES". Not here: dependencies, hooks, library charts, lookup.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/ghodss/yaml"
	"github.com/xeipuuv/gojsonschema"
)

type object = map[string]interface{}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: chart DIR RELEASE NAMESPACE [VALUES.yaml]...")
		os.Exit(2)
	}
	if err := render(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func render(dir, release, namespace string, overrides []string) error {
	all, err := load(dir, "")
	if err != nil {
		return err
	}
	chart, err := document(all["Chart.yaml"])
	if err != nil {
		return fmt.Errorf("Chart.yaml: %w", err)
	}
	values, err := document(all["values.yaml"])
	if err != nil {
		return fmt.Errorf("values.yaml: %w", err)
	}
	for _, file := range overrides {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		more, err := document(text)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		merge(values, more)
	}
	if schema, ok := all["values.schema.json"]; ok {
		if err := validate(schema, values); err != nil {
			return err
		}
	}

	data := object{
		"Values":       values,
		"Chart":        capitalized(chart),
		"Release":      object{"Name": release, "Namespace": namespace, "Service": "Helm", "IsInstall": true, "IsUpgrade": false, "Revision": 1},
		"Capabilities": object{"KubeVersion": object{"Version": "v1.36.0", "Major": "1", "Minor": "36"}},
		"Files":        attached(all),
	}
	return execute(all, data, os.Stdout)
}

// load reads the chart's files; like helm it goes through links.
func load(dir, prefix string) (map[string][]byte, error) {
	result := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name, full := path.Join(prefix, entry.Name()), filepath.Join(dir, entry.Name())
		info, err := os.Stat(full)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			below, err := load(full, name)
			if err != nil {
				return nil, err
			}
			for name, text := range below {
				result[name] = text
			}
		} else if result[name], err = os.ReadFile(full); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func document(text []byte) (object, error) {
	result := object{}
	return result, yaml.Unmarshal(text, &result)
}

// merge lets what was given win over the chart's own values; null takes a value away.
func merge(into, from object) {
	for key, value := range from {
		mine, isMap := into[key].(object)
		theirs, alsoMap := value.(object)
		switch {
		case value == nil:
			delete(into, key)
		case isMap && alsoMap:
			merge(mine, theirs)
		default:
			into[key] = value
		}
	}
}

func validate(schema []byte, values object) error {
	text, err := json.Marshal(values)
	if err != nil {
		return err
	}
	result, err := gojsonschema.Validate(gojsonschema.NewBytesLoader(schema), gojsonschema.NewBytesLoader(text))
	if err != nil {
		return fmt.Errorf("values.schema.json: %w", err)
	}
	if result.Valid() {
		return nil
	}
	var lines []string
	for _, e := range result.Errors() {
		lines = append(lines, "- "+e.String())
	}
	return errors.New("values don't meet the specifications of the schema:\n" + strings.Join(lines, "\n"))
}

func capitalized(chart object) object {
	result := object{}
	for key, value := range chart {
		result[strings.ToUpper(key[:1])+key[1:]] = value
	}
	return result
}

// files are what a chart holds beside its templates.
type files map[string][]byte

func attached(all map[string][]byte) files {
	result := files{}
	for name, text := range all {
		if !strings.HasPrefix(name, "templates/") && name != "Chart.yaml" && !strings.HasPrefix(name, "values.") {
			result[name] = text
		}
	}
	return result
}

// Get is one file's text.
func (f files) Get(name string) string { return string(f[name]) }

// Glob are those whose names match.
func (f files) Glob(pattern string) files {
	result := files{}
	for name, text := range f {
		if ok, _ := path.Match(pattern, name); ok {
			result[name] = text
		}
	}
	return result
}

func execute(all map[string][]byte, data object, out *os.File) error {
	root := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["include"] = func(name string, data interface{}) (string, error) {
		var text bytes.Buffer
		err := root.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	functions["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["fromYaml"] = func(text string) (object, error) { return document([]byte(text)) }
	root.Funcs(functions)

	var names []string
	for name := range all {
		if strings.HasPrefix(name, "templates/") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		if _, err := root.New(name).Parse(string(all[name])); err != nil {
			return err
		}
	}
	for _, name := range names {
		if strings.HasPrefix(path.Base(name), "_") || name == "templates/NOTES.txt" {
			continue
		}
		if err := one(root, name, data, "---\n# Source: "+name+"\n", out); err != nil {
			return err
		}
	}
	if _, ok := all["templates/NOTES.txt"]; !ok {
		return fs.ErrNotExist
	}
	return one(root, "templates/NOTES.txt", data, "# NOTES\n", out)
}

func one(root *template.Template, name string, data object, head string, out *os.File) error {
	own := object{"Template": object{"Name": name, "BasePath": "templates"}}
	for key, value := range data {
		own[key] = value
	}
	var text bytes.Buffer
	if err := root.ExecuteTemplate(&text, name, own); err != nil {
		return err
	}
	// helm, too, lets an absent value be empty.
	result := strings.ReplaceAll(text.String(), "<no value>", "")
	if strings.TrimSpace(result) == "" {
		return nil
	}
	_, err := fmt.Fprintln(out, head+result)
	return err
}
